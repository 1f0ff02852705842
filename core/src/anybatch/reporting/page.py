"""A report as one HTML file that needs no network.

Names, messages and logs may come from anybody. The template escapes each value, drawings are
images, and the page forbids its browser to run scripts or to load anything.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from anybatch import __version__
from anybatch.model import State
from anybatch.printable import escaped
from anybatch.reporting import analysis, charts
from anybatch.reporting.rows import is_failure, last_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.reporting.rows import Row
    from anybatch.run import Run

FAILURES = 50  #: so many jobs that failed are shown with their last lines


def render(run: Run, rows: Sequence[Row]) -> str:
    """The page for these jobs of a run."""
    environment = Environment(
        loader=PackageLoader("anybatch.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        escaped=lambda value: escaped(str(value)), image=_image, share=_share
    )
    return environment.get_template("page.html").render(_facts(run, rows))


def _facts(run: Run, rows: Sequence[Row]) -> dict[str, Any]:
    failures = [row for row in rows if is_failure(row)]
    first = rows[0].job if rows else None
    return {
        "version": __version__,
        "run": run,
        "name": first.name if first else "",
        "jobs": len(rows),
        "counts": _counts(rows),
        "asked": first.resources.describe() if first else "",
        "drawings": _drawings(rows),
        "use": _use(rows),
        "tables": _tables(rows),
        "failures": [
            {"row": row, "lines": escaped(last_lines(row.job.stderr) or last_lines(row.job.stdout))}
            for row in failures[:FAILURES]
        ],
        "more_failures": max(0, len(failures) - FAILURES),
    }


def _counts(rows: Sequence[Row]) -> list[tuple[str, int]]:
    states = [row.job.state for row in rows]
    return [(state.value, states.count(state)) for state in State if state in states]


def _drawings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    drawn = (
        ("Jobs over time", charts.draw_timeline(analysis.timeline(rows))),
        ("Waiting and running times", charts.draw_times(rows)),
        ("Memory", charts.draw_memory(rows)),
        ("CPU", charts.draw_cpu(rows)),
    )
    return [(title, svg) for title, svg in drawn if svg]


def _use(rows: Sequence[Row]) -> list[tuple[str, analysis.Use, str]]:
    """What was used of what was asked for, and what that left unused, in words."""
    cpu, memory = analysis.cpu_use(rows), analysis.memory_use(rows)
    lines = []
    if cpu.jobs:
        unused = max(0.0, cpu.asked - cpu.used) / 3600
        lines.append(("CPU time", cpu, f"{unused:.1f} core hours"))
    if memory.jobs:
        unused = max(0.0, memory.asked - memory.used) / 3600 / 2**30
        lines.append(("Memory", memory, f"{unused:.1f} GiB hours"))
    return lines


def _tables(rows: Sequence[Row]) -> list[tuple[str, list[analysis.Share]]]:
    tables = [
        ("Reason", analysis.by(rows, lambda row: row.why or row.job.state.value)),
        ("Host", analysis.by(rows, lambda row: row.job.host)),
        *analysis.by_parameter(rows).items(),
    ]
    return [(title, table) for title, table in tables if table]


def _image(svg: str) -> str:
    """A drawing as the address of an image: in an image, no browser runs scripts."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"
