"""`--notify`: being told how a run ended, on the command line and with real processes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.testing import await_that

from core.tests.receivers import put_program, web_service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from core.tests.receivers import WebService

    Call = Callable[..., Result]
    Program = Callable[..., subprocess.CompletedProcess[bytes]]
    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.system

WAITS = "until test -e go; do sleep 0.02; done"


@pytest.fixture
def service() -> Iterator[WebService]:
    with web_service() as service:
        yield service


def notices_of(call: Call, run: str) -> list[dict[str, Any]]:
    [record] = json.loads(call("show", "--json", run).stdout)
    return list(record["notices"])


def test_run_tells_and_ends_like_the_job(program: Program, service: WebService) -> None:
    """A notice that is refused changes neither output nor exit code, and is one warning."""
    words = ("--", "sh", "-c", "echo out; echo oops >&2; exit 7")
    well = program("run", "--notify", service.url, *words)
    service.answer = 500
    badly = program("run", "--notify", service.url, *words)
    assert (well.returncode, well.stdout) == (badly.returncode, badly.stdout) == (7, b"out\n")
    told = service.take()
    assert told["failures"][0]["last_line"] == "oops"
    assert b"could not tell" not in well.stderr
    assert badly.stderr.count(b"could not tell of its end") == 1
    assert b"T0K3N" not in well.stderr + badly.stderr


def test_status_tells_what_nobody_saw_and_show_how_that_went(
    call: Call, program: Program, home: Path, service: WebService
) -> None:
    """The submitting program has gone; who looks next tells, and only the first."""
    words = ("--notify", service.url, "--", "true")
    submitted = program("submit", *words)
    run = submitted.stdout.decode().strip()
    assert b"its end is told by whoever sees it, and nobody watches" in submitted.stderr
    assert "waits for the end" in call("show", run).stdout or service.requests.qsize()
    await_that(lambda: '"done"' in call("status", "--json", run).stdout)
    assert service.take()["run"] == run
    for words in (("status",), ("wait",), ("status", run), ("wait", run)):
        assert call(*words).exit_code == 0
    assert service.requests.empty()
    [notice] = notices_of(call, run)
    assert (notice["target"], notice["state"]) == (service.url.partition("T0")[0] + "...", "sent")
    assert "T0K3N" not in call("show", run).stdout


def test_wait_and_watch_ask_for_runs_that_are_there(
    call: Call, start: Start, home: Path, service: WebService
) -> None:
    """Two programs that watch the same run, and were asked for the same, tell once."""
    run = call("submit", "--", "sh", "-c", WAITS).stdout.strip()
    watch = start("watch", "--notify", service.url)
    wait = start("wait", "--notify", service.url, run)
    await_that(lambda: len(list(home.rglob("notify/*.json"))) == 2)
    (home / "go").touch()
    assert (watch.wait(120), wait.wait(120)) == (0, 0)
    assert service.take()["run"] == run
    assert service.requests.empty()


def test_the_watcher_in_the_background_tells(call: Call, home: Path, service: WebService) -> None:
    """After the submitting program has ended."""
    words = ("--watch", "--notify", service.url, "--", "sh", "-c", WAITS)
    result = call("submit", *words)
    try:
        assert "nobody watches" not in result.stderr
        (home / "go").touch()
        assert service.take()["run"] == result.stdout.strip()
    finally:
        assert call("watch", "--stop").exit_code == 0


def test_who_is_killed_before_it_tells_leaves_that_to_the_next(
    call: Call, start: Start, home: Path, service: WebService
) -> None:
    """However the kill falls, somebody is told once, or it is said that a notice was begun."""
    run = call("submit", "--notify", service.url, "--", "sh", "-c", WAITS).stdout.strip()
    wait = start("wait", run)
    (home / "go").touch()
    await_that(lambda: list(home.rglob("exit/0/*.exit-0")))
    wait.send_signal(signal.SIGKILL)
    wait.wait(60)
    await_that(lambda: '"done"' in call("status", "--json", run).stdout)
    call("status")
    [notice] = notices_of(call, run)
    assert notice["state"] in ("sent", "begun")
    assert service.requests.qsize() == 1 or notice["state"] == "begun"


def test_what_is_no_target_is_refused_before_anything_is_submitted(call: Call, home: Path) -> None:
    """Also a missing program, and a moment that there is not."""
    for words, why in (
        (("--notify", "male"), "did you mean 'mail'"),
        (("--notify", "command:./nowhere"), "no program"),
        (("--notify", "none", "--notify-on", "never"), "notify_on must be"),
        (("--notify", "@nowhere"), "No such file"),
    ):
        result = call("submit", *words, "--", "true")
        assert (result.exit_code, result.stdout) == (2, "")
        assert why in result.stderr
    assert not (home / ".anybatch").exists()
    assert call("wait", "--notify-on", "failure").exit_code == 2


def test_a_default_of_a_settings_file(call: Call, program: Program, home: Path) -> None:
    """Its path starts from the file; `none` takes it back, and `settings` hides what is secret."""
    put_program(home, "tell", 'cat > "$1"')
    secret = "https://example.org/T0K3N"
    (home / "anybatch.toml").write_text(f'notify = ["command:./tell told", "{secret}"]\n')
    folder = home / "below"
    folder.mkdir()
    shown = call("render", "--", "true").stdout
    assert "# told of its end: command:tell ..., https://example.org/...\n" in shown
    assert "told of its end" not in call("render", "--notify", "none", "--", "true").stdout
    shown += call("settings", "anybatch").stdout + call("settings", "--json").stdout
    assert "command:tell ...,https://example.org/..." in shown
    assert "T0K3N" not in shown
    (home / "anybatch.toml").write_text('notify = ["command:./tell told"]\n')
    assert program("run", "--", "true", cwd=folder).returncode == 0
    assert program("run", "--notify", "none", "--", "true", cwd=folder).returncode == 0
    assert len(list(home.rglob("told"))) == 1
    (home / "anybatch.toml").write_text('notify = ["male"]\n')
    refused = call("submit", "--", "true")
    assert f"notify ({home}/anybatch.toml): 'male' is nobody to tell" in refused.stderr
    (home / "anybatch.toml").write_text('notify = "https://example.org/T0K3N\\n"\n')
    assert "T0K3N" not in call("submit", "--", "true").stderr
