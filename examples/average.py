"""Ten jobs write a random number each; one job after them averages what they wrote.

python examples/average.py [SYSTEM]
"""

from __future__ import annotations

import sys
from pathlib import Path

from anybatch import Job, Outcome, Run, Session
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

WRITE = "import random, time; time.sleep(random.random()); print(random.random())"
AVERAGE = """
import sys
numbers = [float(open(name).read()) for name in sys.argv[1:]]
print(sum(numbers) / len(numbers))
"""


def main() -> int:
    """Submit, watch, tell. Exit code 1 where a job is not done."""
    console = Console()
    with Session(sys.argv[1] if len(sys.argv) > 1 else None, on_notice=console.print) as session:
        numbers = session.submit([Job(["python3", "-c", WRITE], name="number")] * 10)
        files = [str(numbers.logs(index)[0]) for index in range(len(numbers))]
        average = session.submit(
            Job(["python3", "-c", AVERAGE, *files], name="average", after=numbers)
        )
        console.print(f"runs {numbers.id} and {average.id} on {session.system}")
        outcomes = watch(console, [numbers, average])
    console.print(table(outcomes))
    console.print("logs:", str(numbers.folder / "logs"), str(average.folder / "logs"), style="dim")
    if not all(outcome.done for outcome in outcomes):
        return 1
    result = outcomes[-1].stdout
    assert result
    console.print("average:", Path(result).read_text().strip(), style="bold")
    return 0


def describe(run: Run) -> str:
    """`10 jobs`, `1 job`."""
    return f"{len(run)} job{'' if len(run) == 1 else 's'}"


def watch(console: Console, runs: list[Run]) -> list[Outcome]:
    """Wait for all jobs under a progress bar; their outcomes."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    )
    with bar:
        tasks = [bar.add_task(describe(run), total=len(run)) for run in runs]
        for run, task in zip(runs, tasks, strict=True):
            for _ in run.as_completed():
                bar.advance(task)
    return [outcome for run in runs for outcome in run.wait()]


def table(outcomes: list[Outcome]) -> Table:
    """A line for each job."""
    made = Table("job", "id", "state", "host", "took", "log")
    for outcome in outcomes:
        took = ""
        if outcome.started and outcome.ended:
            took = f"{(outcome.ended - outcome.started).total_seconds():.1f} s"
        log = outcome.stdout.name
        state = f"{outcome.state.value} {outcome.why()}".strip()
        name = f"{outcome.run}:{outcome.index}"
        made.add_row(name, str(outcome.id or ""), state, outcome.host or "", took, log)
    return made


if __name__ == "__main__":
    sys.exit(main())
