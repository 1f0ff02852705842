"""The simulator prints what a real OpenLava printed: the same commands, the same text.

Ids, times, names and folders differ, and so does where lines are cut.
"""

from __future__ import annotations

import re
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Resources, State
from anybatch.testing import waiting
from lsfsim.fixture import Simulator
from lsfsim.longform import wrap

from .captured import Capture, names, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

VERSION = "2.2"
PATIENCE = 180
await_that = partial(waiting.await_that, patience=PATIENCE)

#: Jobs that are submitted as they were then; see `bsub-X` among the captures.
JOBS = (
    *("done", "exit3", "exit137", "exit255", "array", "longname", "two", "runlimit", "memlimit"),
    *("self2", "self3", "self6", "self9", "self11", "self13", "self15", "held", "held2", "tokill"),
    *("caught", "arraykill", "arraywhole", "quit", "xcpu", "pipe", "segv", "requeue"),
)
REFUSED = [
    *("badM", "badR", "badRname", "badW", "badarray", "badarray2", "badn", "badqueue", "badoption"),
    *("cwd", "empty", "toolongname", "toomanyslots"),
]
#: What is asked while jobs run.
EARLY = [
    *("bjobs-w-running", "bjobs-l-running", "bhist-l-running", "bjobs-w-two-slots"),
    *("bjobs-l-two-slots", "bhist-l-two-slots", "bjobs-w-psusp", "bjobs-l-psusp", "bhist-l-psusp"),
    *("bjobs-o", "bjobs-json", "bjobs-noheader", "bparams-a", "lsid", "lsid-V"),
    *("bjobs-unknown", "bjobs-unknown-element", "bjobs-unknown-two", "bjobs-J-unknown"),
    *("bhist-unknown", "bhist-unknown-element", "bhist-J-unknown"),
]
#: What is done to them then.
DONE_TO_THEM = [
    *("bkill-running", "bkill-caught", "bkill-held-USR1", "bkill-held", "bresume"),
    *("bkill-elements", "bkill-part-known", "bkill-s-USR1", "bkill-s-ABRT", "bkill-s-99"),
    *("bkill-s-RTMIN", "bkill-s-bad", "bkill-whole-array", "bkill-quit", "bkill-xcpu"),
    *("bkill-pipe", "bkill-segv", "brequeue", "bkill-unknown", "bkill-unknown-elements"),
    *("bkill-bad-id", "bkill-no-id", "bkill-finished"),
]
#: What is asked when they have ended.
ENDED = [
    *("done", "exit3", "exit137", "exit255", "array", "element", "range", "longname", "killed"),
    *("self2", "self3", "self6", "self9", "self11", "self13", "self15", "caught", "killed-held"),
    *("held2", "array-killed", "array-killed-whole", "quit", "xcpu", "pipe", "segv", "requeue"),
    *("runlimit", "memlimit", "partly-unknown"),
]
LATE = [f"{program}-{job}" for job in ENDED for program in ("bjobs-w", "bjobs-l", "bhist-l")]
LATE += ["bkill-again", "bjobs-w-element-unknown", "bjobs-A"]


class Replay:
    """Commands of the captures, run once more."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._ids: dict[str, str] = {}
        self.seen: dict[str, Capture] = {}

    def submit(self, job: str) -> None:
        real = read(VERSION, f"bsub-{job}")
        script = real.command.partition("<<E\n")[2].removesuffix("E")
        done = self._simulator.run("bsub", stdin=script)
        self.seen[f"bsub-{job}"] = Capture("", done.stdout, done.stderr, done.returncode)
        for was, known in zip(_ids(real.stdout), _ids(done.stdout), strict=True):
            self._ids[was] = known

    def ask(self, name: str) -> None:
        words = shlex.split(read(VERSION, name).command.partition("#")[0])
        done = self._simulator.run(*map(self._translated, words))
        self.seen[name] = Capture("", done.stdout, done.stderr, done.returncode)

    def words(self, job: str) -> set[str]:
        """The states of a job of the captures."""
        listed = self._simulator.run("bjobs", "-a", "-w", self._translated(job)).stdout
        return {line.split()[2] for line in listed.splitlines()[1:]}

    def _translated(self, word: str) -> str:
        job, bracket, rest = word.partition("[")
        return f"{self._ids.get(job, job)}{bracket}{rest}"


def _ids(stdout: str) -> list[str]:
    return re.findall(r"Job <(\d+)> is submitted", stdout)


@pytest.fixture(scope="module")
def seen_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A cluster like that of the captures, but quicker."""
    quick = {"terminate_interval": 1, "minute": 1, "round": 1, "grace": 2, "idle": 60}
    simulator = Simulator(
        tmp_path_factory.mktemp("replayed") / "openlava",
        "LSB_MEMLIMIT_ENFORCE=y\n",
        dialect="openlava",
        **{**quick, "slots": 64, "queues": ["normal", "short"]},
    )
    try:
        yield simulator
    finally:
        simulator.stop()


@pytest.fixture(scope="module")
def seen(seen_simulator: Simulator) -> dict[str, Capture]:
    """What it prints: all jobs of the captures are submitted, treated and end as they did."""
    return _replayed(Replay(seen_simulator))


def _replayed(replay: Replay) -> dict[str, Capture]:
    for job in (*JOBS, *REFUSED):
        replay.submit(job)
    ids = {job: _ids(read(VERSION, f"bsub-{job}").stdout)[0] for job in JOBS}
    # It runs for 15 s, and all that is asked early may take longer.
    await_that(lambda: replay.words(ids["requeue"]) == {"RUN"})
    replay.ask("brequeue")
    await_that(lambda: replay.words(ids["done"]) == {"DONE"})
    for name in (*EARLY, *DONE_TO_THEM):
        if name not in replay.seen:
            replay.ask(name)
    # The second run of a job that was requeued takes a while, and an element is left alone.
    lasting = {"two", "arraykill"}
    for job in ids.keys() - lasting:
        await_that(lambda job=job: replay.words(ids[job]) <= {"DONE", "EXIT"})  # type: ignore[misc]
    await_that(lambda: replay.words(ids["arraykill"]) == {"RUN", "EXIT"})
    for name in LATE:
        replay.ask(name)
    return replay.seen


_NAMED = "host|to|on|User|administrator|CWD|home|Home|Processors|Pid"


def shape(text: str) -> str:
    """What is left where ids, times, numbers, names, folders and blanks are taken away."""
    text = text.replace(f"\n{' ' * 21}", "")
    # It is printed when a daemon has looked, and says nothing of a job's fate.
    text = re.sub(r".*Resource usage collected\..*\n", "", text)
    text = re.sub(r"(?m)^( +\d+){7} *$|^( +\d+){6} *$|(?<=\S) +of \S+ *$", " N", text)
    text = re.sub(r"(?m)^\d+ +(\S+\[\S+) +\S+", r"7 \1 u", text)
    text = re.sub(r"[ \n]+", "", text)
    text = re.sub(r"[A-Z][a-z]{2}[A-Z][a-z]{2}\d+:\d\d:\d\d", "T", text)
    text = re.sub(r"masternameis.*", "masternameis", text)
    text = re.sub(rf"({_NAMED})(<[^>]*>)+", r"\1<>", text)
    text = re.sub(r"Job<\d+", "Job<7", text)
    text = re.sub(r"Pid\d+", "Pid7", text)
    return re.sub(r"usedis[\d.]+", "usedis0.0", text)


def rows(text: str) -> list[tuple[str, ...]]:
    """A table, without what differs: id, user, names of hosts, and times."""
    found = []
    for line in text.splitlines():
        cells = line.split()
        if cells[0] == "JOBID":
            found.append(tuple(cells))
            continue
        _, _, state, queue, _, on, *rest = cells
        places = on if on == "-" else ":".join("h" for _ in on.split(":"))
        found.append((state, queue, places, *rest[:-3]))
    return sorted(found)


@pytest.mark.parametrize("name", [f"bsub-{job}" for job in (*JOBS, *REFUSED)])
def test_bsub_says_the_same(seen: dict[str, Capture], name: str) -> None:
    """On taking a job, and on refusing it."""
    real, here = read(VERSION, name), seen[name]
    assert here.status == real.status
    assert shape(here.stdout) == shape(real.stdout)
    assert shape(here.stderr.partition("Usage")[0]) == shape(real.stderr.partition("Usage")[0])


@pytest.mark.parametrize("name", [*DONE_TO_THEM, *(n for n in EARLY + LATE if "jobs-w" not in n)])
def test_a_command_says_the_same(seen: dict[str, Capture], name: str) -> None:
    """Its long text, its complaints and its exit status."""
    real, here = read(VERSION, name), seen[name]
    assert here.status == real.status
    assert shape(here.stderr.partition("Usage")[0]) == shape(real.stderr.partition("Usage")[0])
    blocks = [sorted(re.split(r"-{78}", one.stdout)) for one in (here, real)]
    if "array" in name or "range" in name:  # elements stand in the order of their ends
        assert sorted(map(shape, blocks[0])) == sorted(map(shape, blocks[1]))
    else:
        assert shape(here.stdout) == shape(real.stdout)


@pytest.mark.parametrize("name", [name for name in EARLY + LATE if "jobs-w" in name])
def test_the_table_says_the_same(seen: dict[str, Capture], name: str) -> None:
    """In its columns."""
    real, here = read(VERSION, name), seen[name]
    assert here.status == real.status
    assert rows(here.stdout) == rows(real.stdout)
    headings = [one.stdout.partition("\n")[0] for one in (here, real)]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("name", ["bhosts", "bqueues", "bparams"])
def test_the_heading_is_the_same(seen_simulator: Simulator, name: str) -> None:
    """What stands below is another cluster's."""
    here = seen_simulator.run(name).stdout
    assert here.partition("\n")[0] == read(VERSION, name).stdout.partition("\n")[0]


@pytest.mark.parametrize("program", ["bacct"])
def test_what_openlava_has_not_is_not_there(seen_simulator: Simulator, program: str) -> None:
    """No program of the name, as there."""
    assert shutil.which(program, path=seen_simulator.environment["PATH"]) is None
    assert read(VERSION, program).status == 127


def test_lines_are_cut_where_they_were() -> None:
    """The real long forms, put together and cut again, are what they were."""
    count = 0
    for name in names(VERSION):
        for match in _CUT.finditer(read(VERSION, name).stdout):
            parts = match[0].splitlines()
            # Where a blank was dropped at the cut, nobody knows.
            if all(len(part) == 79 for part in parts[:-1]) and "BSUB" not in match[0]:
                whole = "".join([parts[0], *(part[21:] for part in parts[1:])])
                assert wrap(whole, old=True) == match[0]
                count += 1
    assert count > 100


_CUT = re.compile(r"^[A-Z].*\n(?: {21}.*\n)+", re.MULTILINE)


def test_priorities_are_what_the_manual_says(cluster: Simulator, tmp_path: Path) -> None:
    """1 to MAX_USER_PRIORITY; refused where that is not set, or beyond it."""
    for wrong in ("0", "101", "x", "-1"):
        refused = cluster.run("bsub", "-sp", wrong, "true")
        assert (refused.returncode, "Bad user priority" in refused.stderr) == (255, True)
    own = Simulator(tmp_path / "cluster")
    try:
        refused = own.run("bsub", "-sp", "1", "true")
        assert "Job priority control undefined. Job not submitted." in refused.stderr
    finally:
        own.stop()


def test_the_most_urgent_starts_first(
    new_session: Callable[..., Session], cluster: Simulator
) -> None:
    """Whatever the order of submission; half of the scale is usual."""
    whole = Resources(cores=16)
    session = new_session("lsf")
    first = session.submit(Job("until test -e go; do sleep 0.1; done", resources=whole))
    await_that(lambda: first.counts == {State.RUNNING: 1}, first.refresh)
    runs = [
        session.submit(Job(f"echo {n} >>order", urgency=n, resources=whole))
        for n in (0, -20, 60, 1)
    ]
    Path("go").touch()
    for run in (first, *runs):
        assert run.wait(PATIENCE)[0].done
    assert Path("order").read_text() == "60\n1\n0\n-20\n"
