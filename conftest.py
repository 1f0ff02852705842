"""What holds for the tests of all distributions."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.testing import SystemContract, TransferContract
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

# No test says how long something takes: the machine may be busy with others.
settings.register_profile("anybatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anybatch")

# Jobs inherit what is ignored: by a shell's background INT and QUIT, by nohup HUP, which ends no
# tests all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

#: What a test needs, by the fixtures that it uses. A test of none of these is fast.
NEEDS = {
    "simulator": {"grid", "lsf_clusters", "make_cluster", "seen_simulator"},
    "install": {"python", "wheels"},
    "system": {"local", "page_folder"},
    "engine": {"apptainer", "browser", "pool", "slurm_engines"},
}
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count what is left out; no test has the runs or settings of who runs them."""
    config.stash[LEFT_OUT] = Counter()
    state = tempfile.TemporaryDirectory(prefix="anybatch-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(state.cleanup)
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = str(Path(state.name, variable.lower()))
    _pass_by_shims(Path(state.name, "bin"))


def _pass_by_shims(folder: Path) -> None:
    """Let `python3` be a Python: that of pyenv is a script, which takes several times as long.

    Simulated batch systems start it thousands of times.
    """
    found = shutil.which("python3")
    real = Path(sys.base_prefix, "bin", "python3")
    if found and real.exists() and Path(found).read_bytes()[:2] == b"#!":
        folder.mkdir()
        (folder / "python3").symlink_to(real)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with what it needs, before anything looks at markers."""
    used = set(getattr(item, "fixturenames", ()))
    for name, fixtures in NEEDS.items():
        if used & fixtures:
            item.add_marker(name)
    if _is_contract(item) and not _needs(item):
        item.add_marker("system")
    if item.get_closest_marker("engine") and not (used & {"browser"} or _is_local(item.nodeid)):
        item.add_marker("daemon")
        if _is_apart(item.nodeid):
            item.add_marker("apart")


def _is_local(test: str) -> bool:
    """Whether a test of Apptainer needs no other batch system than `local`."""
    return "::TestApptainer::" in test or "local" in _params(test)


def _is_apart(test: str) -> bool:
    """Whether the daemons that a test may stop are none that tests without the marker may stop.

    The other Slurm cluster is the one that tests take that need only one (`ONE_CLUSTER`).
    """
    return "htcondor" in test or "plain" in _params(test)


def _params(test: str) -> list[str]:
    return test.partition("[")[2].rstrip("]").split("-")


@pytest.fixture(autouse=True)
def _ask_often(request: pytest.FixtureRequest) -> None:
    """Our own batch systems are spared no questions, however long a busy machine takes to answer.

    With the product's pauses, of fifty times that long, a test may wait for minutes.
    """
    if request.node.get_closest_marker("engine"):
        request.getfixturevalue("monkeypatch").setattr("anybatch.runs.polling.COST", 5)


def _is_contract(item: pytest.Item) -> bool:
    owner = getattr(item, "cls", None)
    return owner is not None and issubclass(owner, SystemContract | TransferContract)


def _needs(item: pytest.Item) -> list[str]:
    return [name for name in NEEDS if item.get_closest_marker(name)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep the markers true: where tests with `system` are left out, nobody starts `local`."""
    result = yield
    if item.config.stash[LEFT_OUT]["system"] and not _needs(item) and _supervisors():
        pytest.fail("this test starts the batch system `local`; mark it with pytest.mark.system")
    return result


def _supervisors() -> list[Path]:
    """The locks of `local` supervisors of the test's user."""
    state = os.environ.get("XDG_STATE_HOME", "/nonexistent")
    return [*Path(state).glob("anybatch/local/*/lock")]


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what is left out, by what it needs."""
    for item in items:
        item.config.stash[LEFT_OUT].update(_needs(item)[:1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Each worker of xdist has left out the same; the first tells it.

    That a step of `tests/engines/run` leaves out all that was asked for is no failure.
    """
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.option.markexpr:
        session.exitstatus = pytest.ExitCode.OK
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of xdist has told."""
    left_out = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[LEFT_OUT] = Counter(left_out)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out, and how to run it."""
    left_out = config.stash[LEFT_OUT]
    if not left_out or not config.option.markexpr:
        return
    terminalreporter.section("left out")
    for name, count in sorted(left_out.items()):
        terminalreporter.line(f'{count:5} tests: {name:9}  make pytest PYTEST="-m {name}"')
    terminalreporter.line(
        "`make test` runs all; those of `engine` as far as ANYBATCH_ENGINES says."
    )
