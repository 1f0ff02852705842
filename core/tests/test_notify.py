"""Telling how a run ended: by every way, once, and without harm to the run."""

from __future__ import annotations

import base64
import json
import os
import ssl
import stat
import subprocess
import threading
import time
from email import message_from_string
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import UsageError
from anybatch.executor import Executor
from anybatch.model import Job, State
from anybatch.notifying import delivery
from anybatch.notifying.targets import read_target
from anybatch.runs.index import Index

from .receivers import PATIENCE, MailServer, WebService, put_program, running, web_service
from .toy import Clock, Toy, leave_record, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    Start = Callable[..., Session]

TRUE = Job(["true"])


@pytest.fixture
def service() -> Iterator[WebService]:
    with web_service() as service:
        yield service


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder on the PATH of the sessions."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock, bin_folder: Path) -> Start:
    """Sessions of several processes on one system."""

    def start(environ: dict[str, str] | None = None, **core: Any) -> Session:
        host = local_host()
        given = {**host.environ, "PATH": f"{bin_folder}:/usr/bin:/bin", **(environ or {})}
        host = local_host(**given)
        settings = {"anybatch": core} if core else None
        return new_session("toy", plugins=plugins_of(toy=toy, host=host), settings=settings)

    return start


def end(run: Run, *codes: int, attempt: int = 0) -> None:
    """End the run's jobs with these exit codes, and look."""
    for index, code in enumerate(codes):
        leave_record(run.folder, f"{index}.{attempt}.0.command.exit-{code}")
    run._engine.step(force=True)


def tell(run: Run, *codes: int, attempt: int = 0) -> None:
    """End the run's jobs, look, and wait until all is told."""
    end(run, *codes, attempt=attempt)
    sent(run)


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sent(run: Run) -> None:
    run._engine.notifier.close()


# -- how


def test_a_web_service_gets_json(start: Start, service: WebService) -> None:
    """One POST with the record of the end, whose `text` can be shown."""
    run = start().submit([TRUE, TRUE], notify=[service.url])
    tell(run, 0, 3)
    [(method, path, headers, told)] = service.requests.queue
    assert (method, path) == ("POST", "/T0K3N?key=T0K3N")
    assert headers["Content-Type"].startswith("application/json")
    assert (told["run"], told["counts"]) == (run.id, {"done": 1, "failed": 1})
    assert "exit code 3" in told["text"]
    assert [notice.state for notice in run.notices] == ["sent"]


def test_sendmail_gets_a_mail(start: Start, bin_folder: Path, tmp_path: Path) -> None:
    """On its standard input; who gets it stands in the mail, and on no command line."""
    put_program(bin_folder, "sendmail", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/mail')
    run = start().submit(Job(["true"], name="fit"), notify=["mail:ada@example.org"])
    tell(run, 1)
    assert (tmp_path / "words").read_text() == "-i -t\n"
    mail = message_from_string((tmp_path / "mail").read_text())
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "anybatch: fit: the job failed"
    assert f"anybatch show {run.id}" in mail.get_payload()


def test_mail_alone_is_for_the_user(start: Start, bin_folder: Path, tmp_path: Path) -> None:
    """By the login name, which the machine's own mail knows."""
    put_program(bin_folder, "sendmail", f"cat > {tmp_path}/mail")
    session = start()
    tell(session.submit(TRUE, notify=["mail"]), 0)
    assert message_from_string((tmp_path / "mail").read_text())["To"] == session.host.user


def test_an_smtp_server_gets_a_mail(start: Start) -> None:
    """From the address that is set, else from the receiver."""
    with MailServer() as server, running(server):
        core = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none"}
        tell(start(**core).submit(TRUE, notify=["mail:ada@example.org"]), 0)
        tell(start(**core, mail_from="bot@example.org").submit(TRUE, notify=["mail:ada@x"]), 0)
        heard = server.heard()
    envelopes = [line.lower() for line in heard]  # the case of verbs is each Python's own
    assert [line for line in envelopes if line.startswith(("mail", "rcpt"))] == [
        "mail from:<ada@example.org>",
        "rcpt to:<ada@example.org>",
        "mail from:<bot@example.org>",
        "rcpt to:<ada@x>",
    ]
    [first, _] = [text for text in heard if "Subject:" in text]
    assert "the job is done" in first
    assert "\nTo: ada@example.org\r\n" in first


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody knows, with its key."""
    openssl = which("openssl")
    if openssl is None:
        pytest.fail("openssl is not installed: apt-get install openssl", pytrace=False)
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    subprocess.run([openssl, *words, *more], check=True, capture_output=True)
    file.write_text(key.read_text() + file.read_text())
    return file


def test_a_password_goes_only_where_the_certificate_is_known(
    start: Start,
    certificate: Path,
    tmp_path: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the user logs in, with the password of a file that is the user's alone."""
    password = tmp_path / "password"
    password.write_text("T0K3N\n")
    password.chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with MailServer(context) as server, running(server):
        core = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_user": "ada"}
        core["smtp_password_file"] = str(password)
        run = start(**core).submit(TRUE, notify=["mail:ada@example.org"])
        tell(run, 0)
        [notice] = run.notices
        assert notice.state == "failed"
        assert "certificate" in str(notice.error)
        assert not any("AUTH" in line for line in server.heard())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        known = start(**core).submit(TRUE, notify=["mail:ada@example.org"])
        tell(known, 0)
        assert [notice.error for notice in known.notices] == [None]
        heard = server.heard()
    [login] = [line for line in heard if line.startswith("AUTH")]
    assert base64.b64decode(login.split()[-1]) == b"\0ada\0T0K3N"
    assert "T0K3N" not in f"{notices} {run.notices}"


def test_a_password_that_others_can_read_is_not_used(start: Start, tmp_path: Path) -> None:
    """The mail is not sent, and the error says how to mend that."""
    password = tmp_path / "password"
    password.write_text("T0K3N\n")
    password.chmod(0o644)
    core = {"smtp_host": "127.0.0.1", "smtp_user": "ada", "smtp_password_file": str(password)}
    run = start(**core).submit(TRUE, notify=["mail:ada@example.org"])
    tell(run, 0)
    assert "others can read it; chmod 600" in str(run.notices[0].error)


def test_the_desktop_shows_a_notice(start: Start, bin_folder: Path, tmp_path: Path) -> None:
    """A name that looks like an option or like markup is neither."""
    put_program(bin_folder, "notify-send", f'printf "%s\\n" "$@" > {tmp_path}/words')
    tell(start().submit(Job(["true"], name="--hint=<b>&"), notify=["desktop"]), 0)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["--app-name=anybatch", "--urgency=normal", "--"]
    assert words[3] == "anybatch: --hint=<b>&: the job is done"


def test_a_command_gets_the_record(start: Start, bin_folder: Path, tmp_path: Path) -> None:
    """On its standard input, with variables; its words are no shell line."""
    script = 'cat > "$1/record"; echo "$2 $ANYBATCH_RUN $ANYBATCH_RUN_DONE" > "$1/words"'
    put_program(bin_folder, "tell", f"{script}; pwd >> $1/words")
    run = start().submit(TRUE, notify=[f"command:tell {tmp_path} '$HOME;'"])
    tell(run, 0)
    words = (tmp_path / "words").read_text().splitlines()
    assert words == [f"$HOME; {run.id} 1", str(run.folder)]
    assert json.loads((tmp_path / "record").read_text())["run"] == run.id


# -- whom, and when


def test_settings_say_whom_and_the_call_instead(start: Start, service: WebService) -> None:
    """A default of the user's or site's holds until the call names others, or nobody."""
    session = start(notify=[service.url], notify_on="failure")
    assert [one.on for one in session.submit(TRUE).notices] == ["failure"]
    assert session.submit(TRUE, notify=["none"]).notices == []
    assert session.submit(TRUE, notify=[]).notices == []
    assert session.submit(TRUE, notify_on="end").notices[0].on == "end"


def test_a_failure_alone_is_told(start: Start, service: WebService) -> None:
    """With `failure`, an end with all jobs done is told nobody."""
    session = start()
    well, badly = (
        session.submit([TRUE, TRUE], notify=[service.url], notify_on="failure") for _ in range(2)
    )
    tell(well, 0, 0)
    tell(badly, 0, 1)
    assert service.take()["run"] == badly.id
    assert service.requests.empty()
    assert [run.notices[0].state for run in (well, badly)] == ["not needed", "sent"]


def test_what_is_missing_is_said_before_anything_is_submitted(start: Start, toy: Toy) -> None:
    """Of the call it is an error; a default, which holds on other machines too, only a note."""
    targets = ["desktop", "mail:ada@example.org", "command:nowhere-to-be-found"]
    environ = {"PATH": "/nowhere"}
    for target in targets[::2]:
        with pytest.raises(UsageError, match=r"not installed here|no program"):
            start(environ).submit(TRUE, notify=[target])
    with pytest.raises(UsageError, match="an SMTP server needs an address"):
        start(smtp_host="mx").submit(TRUE, notify=["mail"])
    with pytest.raises(UsageError, match="for all to read"):
        start(smtp_host="mx", smtp_user="ada", smtp_security="none").submit(
            TRUE, notify=["mail:ada@x"]
        )
    with pytest.raises(UsageError, match="did you mean 'failure'"):
        start().submit(TRUE, notify=[], notify_on="failures")
    assert not toy.calls["submit"]
    session = start({**environ, "ANYBATCH_NOTIFY": "desktop"})
    plan = session.plan(TRUE)
    assert "notify-send is not installed here; it is tried at the end" in "".join(plan.notes)


def test_programs_that_wait_tell_nobody(isolated: Path, toy: Toy, service: WebService) -> None:
    """An executor submits many runs, and its program sees how they end."""
    settings = {"anybatch": {"notify": [service.url]}}
    with Executor("toy", plugins=plugins_of(toy=toy), settings=settings) as executor:
        future = executor.submit(TRUE)
        wait_for(lambda: bool(toy.tokens))
        [run] = executor.session.runs()
        assert run.notices == []
        leave_record(run.folder, "0.0.0.command.exit-0")
        assert future.result(timeout=60).done


def test_a_run_that_is_there_can_be_told_of(start: Start, service: WebService) -> None:
    """Whoever asks, asks for the same once, and of an ended run is told at once."""
    session = start()
    run = session.submit(TRUE)
    run.notify([service.url])
    session.attach(run.id).notify([service.url])
    tell(run, 0)
    assert service.take()["run"] == run.id
    late = service.url + "&late"
    run.notify([late])
    sent(run)
    assert service.requests.get_nowait()[1].endswith("late")
    assert service.requests.empty()


# -- once


def test_of_many_who_see_the_end_one_tells(start: Start, service: WebService) -> None:
    """They look at the same moment, from processes of their own."""
    run = start().submit(TRUE, notify=[service.url])
    others = [start().attach(run.id) for _ in range(4)]
    leave_record(run.folder, "0.0.0.command.exit-0")
    barrier = threading.Barrier(len(others) + 1)

    def look(one: Run) -> None:
        barrier.wait()
        one.refresh()
        sent(one)

    threads = [threading.Thread(target=look, args=(one,)) for one in (run, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in (run, *others):  # who was hindered then looks once more
        one._engine.put_away([one.watched])
        sent(one)
    assert service.take()["run"] == run.id
    assert service.requests.empty()


def test_an_end_is_told_by_who_looks_next(start: Start, service: WebService) -> None:
    """The process that saw it was killed before it could say that it would tell."""
    run = start().submit(TRUE, notify=[service.url])
    leave_record(run.folder, "0.0.0.command.exit-0")
    run._engine._looks.look_at(run.watched, thorough=True)
    assert run.finished
    [again] = start().runs()
    sent(again)
    assert service.take()["run"] == run.id
    assert Index().active() == []


def test_what_was_begun_is_not_sent_again(start: Start, service: WebService) -> None:
    """The process that had put it on record was killed; that is told by `notices`."""
    run = start().submit(TRUE, notify=[service.url])
    leave_record(run.folder, "0.0.0.command.exit-0")
    run._engine._looks.look_at(run.watched, thorough=True)
    key = read_target(service.url).key
    run.watched.state.record("notifying", durable=True, n=1, keys=[key])
    [again] = start().runs()
    sent(again)
    assert service.requests.empty()
    assert [one.state for one in again.notices] == ["begun"]
    assert Index().active() == []


def test_while_another_process_works_on_the_run_nobody_tells(
    start: Start, service: WebService
) -> None:
    """The run stays active until it is on record who tells."""
    run = start().submit(TRUE, notify=[service.url])
    other = local_host().lease(run.folder)
    assert other.take()
    tell(run, 0)
    assert run.finished
    assert service.requests.empty()
    assert Index().active() == [run.id]
    other.drop()
    [again] = start().runs()
    sent(again)
    assert service.take()["run"] == run.id
    assert Index().active() == []


def test_the_next_end_is_told_again(start: Start, service: WebService) -> None:
    """After `rerun`, with what the jobs have come to then."""
    run = start().submit(TRUE, notify=[service.url])
    tell(run, 1)
    assert service.take()["done"] is False
    run.rerun()
    assert [one.state for one in run.notices] == ["sent"]
    tell(run, 0, attempt=1)
    assert service.take()["done"] is True
    assert service.requests.empty()


def test_a_retry_is_no_end(start: Start, service: WebService) -> None:
    """Only when no attempt is left."""
    run = start().submit(Job(["true"], retry=1), notify=[service.url])
    tell(run, 1)
    assert service.requests.empty()
    tell(run, 0, attempt=1)
    assert service.take()["done"] is True


# -- what goes wrong


@pytest.mark.parametrize(
    ("answer", "why"), [(500, "HTTP 500"), (302, "it redirects"), (404, "HTTP 404")]
)
def test_a_service_that_refuses_is_one_warning(
    start: Start, service: WebService, notices: list[str], answer: int, why: str
) -> None:
    """The outcomes are as they are; the address is in no text."""
    service.answer = answer
    run = start().submit([TRUE, TRUE], notify=[service.url])
    tell(run, 0, 1)
    assert [outcome.state for outcome in run.wait()] == [State.DONE, State.FAILED]
    [warning] = [text for text in notices if "could not tell" in text]
    assert why in warning
    assert why in str(run.notices[0].error)
    assert "T0K3N" not in f"{notices} {run.notices}"
    assert service.requests.qsize() == 1


def test_who_does_not_answer_is_given_up(
    start: Start, service: WebService, bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service, a host that is away and a command; all at once, and each says so."""
    monkeypatch.setattr(delivery, "TIMEOUT", 0.5)
    service.answer = 0
    put_program(bin_folder, "hang", "sleep 600")
    put_program(bin_folder, "fail", "echo no; exit 7")
    away = "http://127.0.0.1:1/T0K3N"
    run = start().submit(TRUE, notify=[service.url, away, "command:hang", "command:fail"])
    tell(run, 0)
    errors = [str(one.error) for one in run.notices]
    assert errors[0] == "no answer in time"
    assert errors[1] == "Connection refused"
    assert "did not end within 0.5 s" in errors[2]
    assert errors[3] == "fail ended with 7: no"
    assert run.finished


def test_a_receiver_that_is_refused_is_told(start: Start, notices: list[str]) -> None:
    """With the server's words, without what a terminal would obey."""
    with MailServer() as server, running(server):
        server.refuses = True
        core = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none"}
        run = start(**core).submit(TRUE, notify=["mail:ada@example.org"])
        tell(run, 0)
    assert "550 no such\\x1b user" in str(run.notices[0].error)
    assert any("550" in text for text in notices)


def test_secrets_are_in_one_file_alone(start: Start, service: WebService) -> None:
    """Which only the user can read; no journal, record or other file of the run has them."""
    run = start().submit(TRUE, notify=[service.url, "command:/bin/true T0K3N"])
    tell(run, 0)
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    [secret] = [path for path in files if "T0K3N" in path.read_text()]
    assert secret.parent == run.folder / "notify"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700


def test_requests_of_others_are_not_believed(
    start: Start, service: WebService, tmp_path: Path, notices: list[str]
) -> None:
    """They name commands: where others could have written one, nobody is told, which is said."""
    run = start().submit(TRUE, notify=[service.url])
    [request] = (run.folder / "notify").iterdir()
    request.chmod(0o666)
    tell(run, 0)
    assert service.requests.empty()
    assert any("is not believed" in text for text in notices)
    assert Index().active() == []


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}'])
def test_a_damaged_request_hurts_nothing(start: Start, notices: list[str], text: str) -> None:
    """The run ends as it would, with one warning."""
    run = start().submit(TRUE, notify=["command:/bin/true"])
    [request] = (run.folder / "notify").iterdir()
    request.write_text(text)
    tell(run, 0)
    assert [outcome.done for outcome in run.wait()] == [True]
    assert len([warning for warning in notices if "is damaged" in warning]) == 1


def test_a_folder_that_is_gone_hurts_nothing(start: Start, service: WebService) -> None:
    """The run was removed while it was told."""
    service.answer = 0
    session = start()
    run = session.submit(TRUE, notify=[service.url])
    end(run, 0)
    service.take()
    session.host.remove(run.folder)
    service.closing.set()
    session.close()
    assert run.finished


@pytest.mark.parametrize(
    "event",
    [
        {"e": "notifying", "n": "1", "keys": ["x"]},
        {"e": "notifying", "n": 1},
        {"e": "notified", "n": 1, "key": "x", "error": 5},
        {"e": "notified", "n": 9, "key": "never begun", "error": None},
    ],
)
def test_odd_events_of_notices_are_passed_over(start: Start, event: dict[str, Any]) -> None:
    """They decide nothing of the jobs."""
    run = start().submit(TRUE, notify=["command:/bin/true"])
    line = json.dumps({"t": 1.0, "q": 1, **event}) + "\n"
    (run.folder / "journal-liar-1-1.jsonl").write_text(line)
    other = start().attach(run.id)
    tell(other, 0)
    assert [one.state for one in other.notices] == ["sent"]


def test_who_told_and_how_it_went_is_known_in_any_order(start: Start) -> None:
    """The journals of two processes are read in the order of their names."""
    run = start().submit(TRUE, notify=["command:/bin/true"])
    key = read_target("command:/bin/true").key
    for name, event in (
        ("a", {"e": "notified", "n": 1, "key": key, "error": "away"}),
        ("b", {"e": "notifying", "n": 1, "keys": [key]}),
    ):
        path = run.folder / f"journal-{name}.jsonl"
        path.write_text(json.dumps({"t": 1.0, "q": 1, **event}) + "\n")
    other = start().attach(run.id)
    tell(other, 0)
    assert [(one.state, one.error) for one in other.notices] == [("failed", "away")]
    assert os.listdir(run.folder / "notify")
