"""Whom to tell, and what is said of a run's end: texts that cross a border."""

from __future__ import annotations

import email
import email.policy
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from anybatch.errors import UsageError
from anybatch.failures import Group
from anybatch.model import Reason, State
from anybatch.notifying import message, request
from anybatch.notifying.mail import write_mail
from anybatch.notifying.message import End
from anybatch.notifying.request import MailRoute, Request
from anybatch.notifying.targets import (
    Channel,
    Target,
    from_folder,
    read_target,
    read_targets,
    shown_text,
)
from anybatch.outcome import Outcome
from hypothesis import example, given
from hypothesis import strategies as st

from .toy import local_host

SECRET = "T0K3N-s3cr3t"
HOOK = f"https://hooks.example.org:8443/{SECRET}?key={SECRET}#{SECRET}"
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def end(name: str = "fit", **counts: int) -> End:
    return End(
        run="20260102-120000-abcdef",
        name=name,
        system="local",
        folder="/home/ada/.anybatch/runs/20260102-120000-abcdef",
        host="login1",
        created=NOON,
        ended=NOON + timedelta(minutes=61),
        counts={State(state): number for state, number in (counts or {"done": 3}).items()},
    )


def failed(*indices: int, why: str = "") -> Group:
    return Group(
        tuple(
            Outcome(
                run="20260102-120000-abcdef",
                index=index,
                state=State.FAILED,
                reason=Reason.EXIT_CODE,
                exit_code=3,
                message=why or None,
                stdout=Path("/nowhere/out"),
                stderr=Path("/nowhere/err"),
            )
            for index in indices
        )
    )


# -- targets


@pytest.mark.parametrize(
    ("text", "target", "shown"),
    [
        ("mail", Target(Channel.MAIL), "mail"),
        ("mail:ada", Target(Channel.MAIL, ("ada",)), "mail:ada"),
        ("mail:a.b+c@x-y.example", Target(Channel.MAIL, ("a.b+c@x-y.example",)), None),
        ("desktop", Target(Channel.DESKTOP), "desktop"),
        (HOOK, Target(Channel.WEBHOOK, (HOOK,)), "https://hooks.example.org:8443/..."),
        (
            "http://[::1]:80/x",
            Target(Channel.WEBHOOK, ("http://[::1]:80/x",)),
            "http://[::1]:80/...",
        ),
        (f"command:/bin/tell --key {SECRET}", None, "command:tell ..."),
        ("command:'a b' c\\ d", Target(Channel.COMMAND, ("a b", "c d")), "command:a b ..."),
    ],
)
def test_targets_are_read(text: str, target: Target | None, shown: str | None) -> None:
    """As people write them; what people see of them has no secret."""
    found = read_target(text)
    assert target is None or found == target
    assert found.shown == (shown or text)
    assert SECRET not in f"{found.shown} {found.key} {found!r} {shown_text(text)}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nobody to tell"),
        ("male", "did you mean 'mail'"),
        ("none", "nobody to tell"),
        ("desktop:x", "nobody to tell"),
        ("mail:", "no address"),
        ("mail:Ada <ada@example.org>", "no address"),
        ("mail:a@x,b@y", "no address"),
        ("mail:-oQ/tmp", "no address"),
        ("mail:|/bin/sh", "no address"),
        ("mail:/etc/passwd", "no address"),
        ("mail:a@x\nBcc: b@y", "no address"),
        ("command:", "no program"),
        ("command:'", "cannot be told apart"),
        (f"htps://x/{SECRET}", "nobody to tell"),
        (f"https:/x/{SECRET}", "no host"),
        (f"https://{SECRET}:x@example.org/", "user name or password"),
        (f"https://example.org/{SECRET} x", "blanks"),
        (f"https://example.org/{SECRET}\r\nX: y", "blanks"),
        (f"https://example.org:port/{SECRET}", "cannot be read"),
        (f"https://[example.org/{SECRET}", "cannot be read"),
        (f"ftp://example.org/{SECRET}", "nobody to tell"),
        (f"example.org/{SECRET}", "nobody to tell"),
    ],
)
def test_what_is_no_target_is_refused(text: str, why: str) -> None:
    """With what to give instead, and without what may be secret."""
    with pytest.raises(UsageError, match=why) as caught:
        read_target(text)
    assert SECRET not in f"{caught.value} {shown_text(text)}"
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60) | st.text(max_size=60).map("https://{}".format))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    """Nothing else comes of it, and a target is read the same again."""
    try:
        found = read_target(text)
    except UsageError:
        return
    assert shown_text(text) == found.shown
    assert request.read(request.write(Request(targets=(found,)))).targets == (found,)


def test_targets_are_told_once(tmp_path: Path) -> None:
    """Those of a file too, of which blank lines and remarks are left out."""
    (tmp_path / "who").write_text("# us\nmail\n\n  desktop  \r\n")
    found = read_targets(["mail", "@who", "mail"], tmp_path, Path.read_text)
    assert found == [Target(Channel.MAIL), Target(Channel.DESKTOP)]
    assert read_targets(["none"], tmp_path, Path.read_text) == []
    with pytest.raises(UsageError, match="give it alone"):
        read_targets(["none", "mail"], tmp_path, Path.read_text)
    with pytest.raises(UsageError, match="No such file"):
        read_targets(["@nowhere"], tmp_path, Path.read_text)


def test_paths_in_settings_files_start_there() -> None:
    """A program with a slash, and a file with targets; what is on the PATH stays."""
    folder = Path("/site/conf d")
    assert read_target(from_folder("command:./tell -x", folder)).words == (
        "/site/conf d/tell",
        "-x",
    )
    assert from_folder("command:tell ./x", folder) == "command:tell ./x"
    assert from_folder("command:/bin/tell", folder) == "command:/bin/tell"
    assert from_folder("@who", folder) == "@/site/conf d/who"
    assert from_folder("@~/who", folder) == "@~/who"
    assert from_folder(HOOK, folder) == HOOK


# -- requests


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "null", "[" * 10_000, '{"format": 2}'),
        '{"format": 1, "on": "never", "targets": [], "mail": {}}',
        '{"format": 1, "on": "end", "targets": [{"channel": "owl", "words": []}], "mail": {}}',
        '{"format": 1, "on": "end", "targets": [{"channel": "command", "words": []}], "mail": {}}',
        '{"format": 1, "on": "end", "targets": [{"channel": "mail", "words": [1]}], "mail": {}}',
        '{"format": 1, "on": "end", "targets": [], "mail": {"host": 1}}',
    ],
)
def test_a_damaged_request_is_an_error(text: str) -> None:
    """Whatever stands there, in one kind of error."""
    with pytest.raises(ValueError, match=r"."):
        request.read(text)


def test_a_request_is_read_as_it_was_written() -> None:
    """With how mail goes out."""
    route = MailRoute(host="mx", port=2525, security="tls", user="ada", password_file="/x")
    asked = Request(targets=(read_target(HOOK),), moment="failure", mail=route)
    assert request.read(request.write(asked)) == asked


# -- what is said


def test_the_message_tells_all() -> None:
    """Counts, how long, equal failures once with the last line of the log, how to look further."""
    over = end("fit", done=97, failed=3)
    over = End(**{**vars_of(over), "failures": ((failed(1, 2, 3), "no calibration"),)})
    text = message.text(over)
    assert "run 20260102-120000-abcdef (fit) on local: 97 done, 3 failed" in text
    assert "submitted 2026-01-02 12:00:00 UTC on login1" in text
    assert "took 1h1m" in text
    assert "3 jobs failed (exit code 3): 1-3\n    no calibration\n" in text
    assert "anybatch show 20260102-120000-abcdef" in text
    assert "anybatch rerun 20260102-120000-abcdef" in text
    assert message.subject(over) == "anybatch: fit: 3 of 100 jobs are not done"
    plain = json.loads(json.dumps(message.record(over)))
    assert plain["counts"] == {"done": 97, "failed": 3}
    assert (plain["done"], plain["jobs"], plain["seconds"]) == (False, 100, 3660.0)
    assert plain["failures"][0]["jobs"] == "1-3"
    assert plain["text"] == text


def vars_of(over: End) -> dict[str, object]:
    return {name: getattr(over, name) for name in over.__slots__ if name != "__weakref__"}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"done": 1}, "the job is done"),
        ({"failed": 1}, "the job failed"),
        ({"lost": 1}, "the job is lost"),
        ({"done": 2}, "all 2 jobs are done"),
        ({"done": 1, "terminated": 1}, "1 of 2 jobs is not done"),
    ],
)
def test_one_line_says_how_it_went(counts: dict[str, int], said: str) -> None:
    """Of one job, or many."""
    assert message.summary(end(**counts)) == said


HOSTILE = st.text(
    st.characters() | st.sampled_from('\r\n\0\x1b\u2028\u202e\udcff:,<>"=?'), max_size=120
)


@given(name=HOSTILE, last=HOSTILE, why=HOSTILE)
@example(name="", last=" \t", why="")
def test_no_name_or_log_line_makes_a_header_or_an_escape(name: str, last: str, why: str) -> None:
    """A mail has the headers that it was given, and the message the lines that it was given."""
    usual = End(**{**vars_of(end(failed=2)), "failures": ((failed(0, 1), "x"),)})
    over = End(**{**vars_of(end(name, failed=2)), "failures": ((failed(0, 1, why=why), last),)})
    mail = write_mail(over, "ada@example.org", "", local_host())
    parsed = email.message_from_bytes(mail.as_bytes(), policy=email.policy.default)
    headers = ["Subject", "To", "Date", "Message-ID", "Auto-Submitted"]
    assert [key for key in parsed if key in headers] == headers
    assert {*parsed} - {*headers} == {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert parsed["To"] == "ada@example.org"
    body = parsed.get_content()
    assert len(body.splitlines()) == len(message.text(usual).splitlines()) - (
        not message.line(last)
    )
    assert not set(body) & set("\0\x1b\u202e\r")
