"""Reports: what is counted and drawn of jobs, and what hostile texts cannot do to the page."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.model import Reason, Resources, State
from anybatch.outcome import JobId, JobView
from anybatch.reporting import analysis
from anybatch.reporting.rows import Row, last_lines, record, write_csv
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

ZERO = datetime(2026, 11, 20, 9, tzinfo=timezone.utc)


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else ZERO + timedelta(seconds=seconds)


def a_row(
    index: int = 0,
    *,
    begin: float | None = 0,
    start: float | None = None,
    end: float | None = None,
    why: str = "",
    **facts: Any,
) -> Row:
    values: dict[str, Any] = {field.name: None for field in attrs.fields(JobView)}
    values |= {
        "run": "r",
        "index": index,
        "name": "job",
        "labels": {},
        "params": {},
        "resources": Resources(),
        "id": JobId("local", str(index)),
        "state": State.DONE,
        "submitted": at(begin),
        "started": at(start),
        "ended": at(end),
        "stdout": Path("/nowhere/out"),
        "stderr": Path("/nowhere/err"),
        "attempt": 0,
    }
    waiting = None if start is None or begin is None else start - begin
    running = None if start is None or end is None else end - start
    job = JobView(**(values | facts))
    return Row(job=job, why=why, waiting=waiting, running=running)


# -- what is counted


def test_jobs_are_counted_at_each_moment() -> None:
    """From each change on, every job waits, runs or has ended."""
    rows = [a_row(start=2, end=5), a_row(start=2), a_row(begin=1), a_row(end=4), a_row(begin=None)]
    line = analysis.timeline(rows)
    assert line.seconds == (0, 1, 2, 4, 5)
    assert line.waiting == (3, 4, 2, 1, 1)
    assert line.running == (0, 0, 2, 2, 1)
    assert line.ended == (0, 0, 0, 1, 2)


times = st.one_of(st.none(), st.floats(0, 1e6))


@given(st.lists(st.tuples(times, times, times)))
def test_no_order_of_times_makes_negative_jobs(jobs: list[tuple[Any, Any, Any]]) -> None:
    """Clocks of several machines may contradict each other; the counts stay counts of jobs."""
    rows = [a_row(begin=begin, start=start, end=end) for begin, start, end in jobs]
    line = analysis.timeline(rows)
    assert all(count >= 0 for one in (line.waiting, line.running, line.ended) for count in one)
    assert list(line.seconds) == sorted(set(line.seconds))
    if line.seconds:
        known = sum(begin is not None for begin, _, _ in jobs)
        assert line.waiting[-1] + line.running[-1] + line.ended[-1] == known


def test_use_is_weighed_by_how_long_it_was_asked_for() -> None:
    """Eight cores for an hour count more than one for a minute; jobs that are not known do not."""
    rows = [
        a_row(start=0, end=100, cpu_time=timedelta(seconds=100), resources=Resources(cores=4)),
        a_row(start=0, end=100, cpu_time=timedelta(seconds=100)),
        a_row(start=0, end=100),
        a_row(start=0, end=None, cpu_time=timedelta(seconds=5)),
    ]
    use = analysis.cpu_use(rows)
    assert (use.jobs, use.used, use.asked, use.share) == (2, 200, 500, 0.4)


def test_memory_is_known_only_where_it_was_asked_for() -> None:
    """A job that asked for no memory wasted none."""
    asked = Resources(memory="4 GiB")
    rows = [
        a_row(start=0, end=10, max_memory=2**30, resources=asked),
        a_row(start=0, end=10, max_memory=2**30),
        a_row(start=0, end=10, resources=asked),
    ]
    use = analysis.memory_use(rows)
    assert (use.jobs, use.share) == (1, 0.25)


def test_failures_are_counted_by_what_jobs_have_in_common() -> None:
    """Values with most failures come first; parameters of one value tell nothing."""
    failed = {"state": State.FAILED, "reason": Reason.EXIT_CODE}
    rows = [
        a_row(host="a", params={"seed": 1, "same": "x"}, **failed),
        a_row(host="b", params={"seed": 2, "same": "x"}, **failed),
        a_row(host="b", params={"seed": 2, "same": "x"}, **failed),
        a_row(host="b", params={"seed": 3, "same": "x"}),
    ]
    share = analysis.Share
    assert analysis.by(rows, lambda row: row.job.host) == [share("b", 3, 2), share("a", 1, 1)]
    assert analysis.by_parameter(rows) == {"seed": [share("2", 2, 2), share("1", 1, 1)]}


# -- tables for programs


def test_a_table_has_a_line_for_each_job() -> None:
    """Parameters and labels have columns of their own, also where only some jobs have them."""
    rows = [
        a_row(0, start=1, end=3, params={"seed": 7}, max_memory=5),
        a_row(1, labels={"campaign": "mc26"}),
    ]
    out = io.StringIO()
    write_csv(rows, out)
    first, second = csv.DictReader(io.StringIO(out.getvalue()))
    assert (first["waiting"], first["running"], first["param_seed"]) == ("1", "2", "7")
    assert (first["label_campaign"], second["label_campaign"]) == ("", "mc26")
    assert record(rows[0])["started"] == "2026-11-20T09:00:01+00:00"


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+1", "-1", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet calculates nothing of what a job was named."""
    out = io.StringIO()
    write_csv([a_row(name=text, labels={"x": text})], out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert row["name"] == row["label_x"] == f"'{text}"


def test_only_the_end_of_a_log_is_read(tmp_path: Path) -> None:
    """A log of a gigabyte costs no gigabyte; one that is not there, or is a pipe, has no lines."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(2**30)
        file.seek(0, 2)
        file.write(b"\n" + b"\xff\n".join(b"line %d" % number for number in range(100)))
    assert last_lines(log).splitlines()[-2:] == ["line 98\ufffd", "line 99"]
    assert len(last_lines(log).splitlines()) == 12
    assert last_lines(tmp_path / "none") == last_lines(tmp_path) == ""


# -- the page


TAKE = "document.title='taken'"
HOSTILE = f'</pre><script>{TAKE}</script><img src=x onerror="{TAKE}">'


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., str]:
    """The page of a run that was never submitted."""

    def draw(*rows: Row) -> str:
        from anybatch.reporting.page import render

        return render(_NoRun(tmp_path), rows)  # type: ignore[arg-type]

    return draw


class _NoRun:
    """What the page says of the run beside its jobs."""

    def __init__(self, folder: Path) -> None:
        self.id, self.system, self.cluster = "20261120-094725-64a26d", "slurm", HOSTILE
        self.folder, self.created = folder / HOSTILE.replace("/", "_"), ZERO


def test_no_text_becomes_markup(page: Callable[..., str], tmp_path: Path) -> None:
    """Names, hosts, values, messages, logs and paths stay text, wherever they stand."""
    log = tmp_path / "log"
    log.write_text(HOSTILE + "\x1b[31m" + "{{ 7 * 7 }}")
    text = page(
        a_row(
            0,
            why=HOSTILE,
            name=HOSTILE,
            host=HOSTILE,
            state=State.FAILED,
            params={HOSTILE: HOSTILE},
            resources=Resources(queue=HOSTILE),
            stderr=log,
        ),
        a_row(1, params={HOSTILE: "b"}),
    )
    assert not re.search("<script|<img src=x|\x1b", text)
    assert "{{ 7 * 7 }}" in text


def test_the_page_needs_nothing_else(page: Callable[..., str]) -> None:
    """Drawings are in the page, nothing is loaded, and its browser is told so."""
    memory = Resources(memory="1 GiB")
    use = {"max_memory": 2**29, "cpu_time": timedelta(seconds=3), "resources": memory}
    text = page(*(a_row(i, start=i, end=i + 4, **use) for i in range(20)))
    assert re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)"', text) == [
        "Jobs over time",
        "Waiting and running times",
        "Memory",
        "CPU",
    ]
    assert "default-src 'none'" in text
    assert not re.search(r'<[^>]*(?:src|href)=(?!"data:)', text)


def test_what_is_not_known_is_not_drawn(page: Callable[..., str]) -> None:
    """Of jobs that nobody has seen start, there is a page all the same."""
    text = page(a_row(begin=None, state=State.NEW))
    assert "1 new" in text
    assert "<img" not in text


def test_equal_runs_make_equal_pages(page: Callable[..., str]) -> None:
    """A page changes only with what it tells."""
    rows = [a_row(i, start=1, end=3) for i in range(3)]
    assert page(*rows) == page(*rows)


def test_of_many_failures_some_are_shown(page: Callable[..., str]) -> None:
    """A page of ten thousand failures can still be opened, and says what it leaves out."""
    text = page(*(a_row(i, state=State.FAILED, why="exit code 1") for i in range(1000)))
    assert text.count("<h3>") == 50
    assert "950 more are not shown" in text
