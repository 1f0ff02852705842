"""What a report draws, as SVG. Pure: no text of users or batch systems is in a drawing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from anybatch.units import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from anybatch.reporting.analysis import Timeline
    from anybatch.reporting.rows import Row

#: Colours that people who see no red or no green tell apart (Okabe and Ito).
_WAITING, _RUNNING, _ENDED, _ASKED = "#e69f00", "#56b4e9", "#009e73", "#999999"
_UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_BINS = 40


def draw_timeline(timeline: Timeline) -> str | None:
    """Jobs over time, stacked: ended, running, waiting. None: there is nothing to draw."""
    if len(timeline.seconds) < 2:
        return None
    factor, unit = _unit(timeline.seconds[-1])
    figure, axes = _figure()
    axes.stackplot(
        [second / factor for second in timeline.seconds],
        timeline.ended,
        timeline.running,
        timeline.waiting,
        labels=("ended", "running", "waiting"),
        colors=(_ENDED, _RUNNING, _WAITING),
        step="post",
    )
    axes.set_xlabel(f"{unit} since the first submission")
    axes.set_ylabel("jobs")
    axes.margins(x=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", framealpha=0.8)
    return _svg(figure)


def draw_times(rows: Sequence[Row]) -> str | None:
    """How long jobs waited, and how long they ran."""
    return _histograms(
        ("waiting", [row.waiting for row in rows if row.waiting is not None], _WAITING),
        ("running", [row.running for row in rows if row.running is not None], _RUNNING),
    )


def _histograms(*series: tuple[str, list[float], str]) -> str | None:
    series = tuple(one for one in series if one[1])
    if not series:
        return None
    factor, unit = _unit(max(max(values) for _, values, _ in series))
    figure, axes = _figure()
    axes.hist(
        [[value / factor for value in values] for _, values, _ in series],
        bins=_BINS,
        label=[name for name, _, _ in series],
        color=[colour for _, _, colour in series],
    )
    axes.set_xlabel(unit)
    axes.set_ylabel("jobs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return _svg(figure)


def draw_memory(rows: Sequence[Row]) -> str | None:
    """Peak memory of each job, in order, beside what it asked for."""
    used = sorted(
        (row.job.max_memory, row.job.resources.memory) for row in rows if row.job.max_memory
    )
    if not used:
        return None
    figure, axes = _figure()
    places = range(len(used))
    axes.fill_between(places, [peak for peak, _ in used], color=_RUNNING, label="used", step="mid")
    if any(asked for _, asked in used):
        limits = [asked or float("nan") for _, asked in used]
        axes.step(places, limits, color=_ASKED, label="asked for", where="mid")
    axes.set_xlabel("jobs, by peak memory")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_size(int(value))))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left")
    return _svg(figure)


def draw_cpu(rows: Sequence[Row]) -> str | None:
    """How many jobs used which share of the cores that they asked for."""
    shares = [100 * row.cpu_share for row in rows if row.cpu_share is not None]
    if not shares:
        return None
    figure, axes = _figure()
    axes.hist(shares, bins=_BINS, range=(0, max(100.0, *shares)), color=_ENDED)
    axes.set_xlabel("CPU time used, in % of the cores asked for")
    axes.set_ylabel("jobs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return _svg(figure)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _unit(seconds: float) -> tuple[float, str]:
    """The unit that so many seconds are best shown in."""
    return next((one for one in _UNITS if seconds >= 2 * one[0]), _UNITS[-1])


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    # Without a date and with a fixed salt for its ids, equal runs make equal pages.
    with rc_context({"svg.hashsalt": "anybatch"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
