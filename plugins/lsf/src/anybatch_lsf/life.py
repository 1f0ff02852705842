"""The life of a job, from the long form of `bjobs -l`, `bhist -l` and `bacct -l`. Pure.

It is wrapped at 80 columns, in the middle of words, and OpenLava drops a blank where it cuts. So a
blank in a sentence counts as one that may be there. The sentences are those of IBM's manual, of
sites, and of OpenLava's lsbatch/bhist/bhist.c and lsbatch/cmd/cmd.prt.c; others change nothing.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.model import Reason, State

from anybatch_lsf.parse import DAMAGED, read_cpu, read_memory
from anybatch_lsf.states import TERM, TERMINATIONS, Said, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anybatch.records import JobStatus

_HEADER = re.compile(r"Job (?:Id )?<(\d+(?:\[\d+\])?)>[,;]")  # `Id`: OpenLava 3 and 4
_EVENT = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d+) (\d+):(\d\d):(\d\d)(?: (\d{4}))?: (.*)"
)
_CALLED = re.compile(r"Job ?(Name|Description) ?<([^>]*)>")
_WORD = re.compile(r", ?Status ?<([A-Z_]+)>")
_ELEMENT = re.compile(r"\s*\[\d+\],?\s+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WRAPPED = " " * 21
_ENDED = ("DONE", "EXIT")
_AWAY = ("UNKWN", "ZOMBI")


def read_long(stdout: str, source: str, now: datetime) -> dict[str, JobStatus]:
    """The status of every job in a long answer, from what it tells of the job's life.

    Args:
        now: years are not printed; nothing has happened later than this.
    """
    found: dict[str, JobStatus] = {}
    for name, header, events, rest in _blocks(stdout):
        with contextlib.suppress(*DAMAGED):
            if events:
                status = _status(source, header, [_event(event, now) for event in events])
                found[name] = attrs.evolve(status, **_used(rest))
    return found


def long_descriptions(stdout: str) -> Iterator[tuple[str, str, str]]:
    """Id, name and description of every job in a long answer."""
    for name, header, _, _ in _blocks(stdout):
        texts = dict(_CALLED.findall(header))
        yield name, texts.get("Name", ""), texts.get("Description", "")


def _blocks(stdout: str) -> Iterator[tuple[str, str, list[re.Match[str]], list[str]]]:
    """Id, header, events, and the lines that are neither, of each job."""
    name, header = "", ""
    events: list[re.Match[str]] = []
    rest: list[str] = []
    # A line goes on in the next one, which is indented; words are cut where the line is full.
    for line in stdout.replace(f"\n{_WRAPPED}", "").split("\n"):
        if match := _HEADER.match(line):
            if name:
                yield name, header, events, rest
            name, header, events, rest = match[1], line, [], []
        elif event := _EVENT.match(line):
            events.append(event)
        else:
            rest.append(line)
    if name:
        yield name, header, events, rest


Event = tuple[datetime, str]


def _event(match: re.Match[str], now: datetime) -> Event:
    month, day, hour, minute, second, year, text = match.groups()
    fields = (_MONTHS.index(month) + 1, *map(int, (day, hour, minute, second)))
    this = now.astimezone().year
    aware = _local(int(year or this), *fields)
    if not year and aware > now + timedelta(days=1):
        aware = _local(this - 1, *fields)
    return aware.astimezone(timezone.utc), text


def _local(year: int, *fields: int) -> datetime:
    """A time as commands print it: that of the machine that they run on."""
    return datetime(year, *fields).astimezone()  # type: ignore[arg-type]


def _used(lines: Sequence[str]) -> dict[str, Any]:
    """CPU time and memory from the table at the end of `bacct -l`."""
    for heading, values in pairwise(lines):
        names, texts = heading.split(), values.split()
        if "CPU_T" in names and len(texts) == len(names):
            row = dict(zip(names, texts, strict=True))
            cpu_time = read_cpu(row["CPU_T"])
            return {"cpu_time": cpu_time, "max_memory": read_memory(row.get("MEM", ""))}
    return {}


def _status(source: str, header: str, events: Sequence[Event]) -> JobStatus:
    life = _Life()
    for when, text in events:
        life.tell(when, _ELEMENT.sub("", text, count=1))
    if word := _WORD.search(header):
        life.word = word[1]  # bhist has none
    status = status_of(source, life.said())
    submitted = events[0][0] if events[0][1].startswith("Submitted") else None
    waits = status.state in (State.QUEUED, State.HELD)
    return attrs.evolve(
        status,
        message=status.message or (life.requeued if waits else "") or None,
        submitted=submitted,
        started=None if waits else life.started,
        ended=life.ended if status.state.final else None,
    )


@attrs.define
class _Life:
    """What events have come to so far. A run that begins forgets how an earlier one ended.

    Attributes:
        word: the state of the job.
        ended_by: why somebody or a queue's own command has ended it; see `Said`.
        again: the state that follows on this run's end, as the job is to be run again.
        requeued: by whom.
        lost: the machine that it ran on went away, or forgot it.
    """

    word: str = "PEND"
    host: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    code: int | None = None
    signal: int | None = None
    why: str = ""
    ended_by: tuple[State, Reason | None, str] | None = None
    again: str = ""
    requeued: str = ""
    lost: bool = False

    def tell(self, when: datetime, text: str) -> None:
        """Take note of an event."""
        for sentence, meaning in _SENTENCES:
            if match := sentence.match(text):
                meaning(self, when, match)
                break

    def said(self) -> Said:
        """The last word on the job."""
        if self.again and self.word in _ENDED:
            return Said(word=self.again)
        ended_by = self.ended_by
        if self.lost and self.started and self.code is None and self.signal is None:
            ended_by = ended_by or _LOST_MACHINE
        return Said(
            word=self.word,
            code=self.code,
            signal=self.signal,
            why=self.why,
            host=self.host or ("?" if self.started else ""),
            ended_by=ended_by,
        )

    def begin(self, when: datetime, match: re.Match[str]) -> None:
        self.word, self.host, self.started = "RUN", match[1], when
        self.code, self.signal, self.ended, self.ended_by = None, None, None, None
        self.why, self.again, self.requeued, self.lost = "", "", "", False

    def proceed(self, when: datetime, _: re.Match[str]) -> None:
        """Its first process; may be told after the end of a quick one."""
        self.started = self.started or when
        self.word = self.word if self.word in _ENDED else "RUN"

    def go_on(self, when: datetime, _: re.Match[str]) -> None:
        self.word, self.started, self.lost = "RUN", self.started or when, False

    def end_well(self, when: datetime, _: re.Match[str]) -> None:
        self.word, self.code, self.ended = "DONE", 0, when

    def end(self, when: datetime, match: re.Match[str]) -> None:
        """It has ended, with exit code or signal, or why; or another line says more of it."""
        self.word, self.ended = "EXIT", self.ended or when
        if how := _HOW.match(match.string):
            self.code, self.signal = (int(text) if text else None for text in how.groups())
        if term := TERM.search(match.string):
            self.why = match.string[term.start() :].rstrip(" .;")
        # So OpenLava says where nobody has told it how the job ended.
        self.lost = self.lost or bool(_NOT_KNOWN.search(match.string))

    def end_for_now(self, when: datetime, _: re.Match[str]) -> None:
        self.word, self.again, self.ended = "EXIT", "PEND", when

    def end_remnant(self, when: datetime, _: re.Match[str]) -> None:
        """Its machine is back. Where the job has run elsewhere since, that is none of its ends."""
        if self.word in _AWAY:
            self.word, self.ended, self.lost = "EXIT", when, True

    def lose(self, _: datetime, __: re.Match[str]) -> None:
        self.word, self.lost = "UNKWN", True

    def lose_killed(self, _: datetime, match: re.Match[str]) -> None:
        """Nobody could reach its machine to kill it; a user, or LSF to run it elsewhere."""
        self.word, self.lost = "ZOMBI", True
        if "but unable" in match.string:
            self.ended_by = self.ended_by or (State.TERMINATED, None, "killed")

    def kill(self, _: datetime, match: re.Match[str]) -> None:
        """The last wish counts: to end it, or to run it again."""
        self.ended_by = State.TERMINATED, None, f"killed by {match[1]}"
        self.again = self.requeued = ""

    def requeue(self, _: datetime, match: re.Match[str]) -> None:
        self.again = "PSUSP" if "PSUSP" in match.string else "PEND"
        user = _USER.search(match.string)
        self.requeued = f"requeued by {user[1]}" if user else "requeued"
        self.ended_by = None

    def act(self, _: datetime, match: re.Match[str]) -> None:
        """The queue has a command of its own that ends jobs over a limit (JOB_CONTROLS)."""
        if ended := TERMINATIONS.get(f"TERM_{match[1]}"):
            self.ended_by = (*ended, match[0])

    def wait(self, _: datetime, match: re.Match[str]) -> None:
        put_back = self.again and "requeued" in match.string
        self.word, self.again = self.again if put_back else "PEND", ""

    def hold(self, _: datetime, __: re.Match[str]) -> None:
        self.word = "PSUSP"

    def suspend(self, _: datetime, match: re.Match[str]) -> None:
        self.word = "USUSP" if match[1] else "SSUSP"

    def queue_up(self, _: datetime, __: re.Match[str]) -> None:
        """Behind others of its chunk."""
        self.word = "WAIT"


def _sentence(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(" ", " ?"), re.IGNORECASE)


_LOST_MACHINE = (State.FAILED, Reason.NODE_FAILURE, "LSF lost the machine that it ran on")
_BY_USER = "user or administrator <([^>]*)>"
_USER = _sentence(_BY_USER)
_HOW = _sentence(r"exited with exit code (\d+)|exited by signal (\d+)")
_NOT_KNOWN = _sentence("the CPU time used is unknown")
_KILLING = r"(?:(?:SIG)?(?:KILL|TERM|INT)|9|15|2|DELETEJOB)"
_Meaning = Callable[[_Life, datetime, "re.Match[str]"], None]
_SENTENCES: tuple[tuple[re.Pattern[str], _Meaning], ...] = tuple(
    (_sentence(pattern), meaning)
    for pattern, meaning in {
        r"(?:dispatched|started|the batch job command is started)[^<]*<([^>]*)>": _Life.begin,
        "starting|running with": _Life.proceed,
        "running|resumed": _Life.go_on,
        "done successfully|completed <done>": _Life.end_well,
        "exited; job will be requeued": _Life.end_for_now,
        "exited|completed <exit>": _Life.end,
        "sbatchd startup; kill zombie job": _Life.end_remnant,
        "unknown": _Life.lose,
        "termination request issued|execution host unavailable": _Life.lose_killed,
        rf"signal <{_KILLING}> requested by {_BY_USER}": _Life.kill,
        f"delete requested by {_BY_USER}": _Life.kill,
        r"signal <\w*REQUEUE\w*>": _Life.requeue,
        "job is being requeued|kill & requeue action|migration requested": _Life.requeue,
        r"(\w+) termination action": _Life.act,
        "pending|requeued|job requeued": _Life.wait,
        r"submitted[^<]*<[^>]*> (?:with|on) hold": _Life.hold,
        "suspended by (?:the )?user or administrator while pending": _Life.hold,
        "suspended( by)?": _Life.suspend,
        "waiting": _Life.queue_up,
    }.items()
)
