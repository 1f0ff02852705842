"""Runs a basf2 steering file on a dataset of the Belle II grid, and downloads what it writes.

python examples/grid.py STEERING_FILE DATASET

The release, the begin of the project's name and whatever else is a setting stand in the table
[gbasf2] of anybatch.toml. Called again, it goes on with the project that is there.
"""

from __future__ import annotations

import sys
from collections import Counter

from anybatch import Session, UsageError
from anybatch_gbasf2 import GridDataset, steering_job


def main() -> int:
    """Submit or go on, wait, tell. Exit code 1 where a job is not done, 2 where none can be."""
    if len(sys.argv) != 3:
        print(__doc__)
        return 2
    steering, dataset = sys.argv[1:]
    with Session("gbasf2", on_notice=print) as session:
        try:
            run = session.submit(steering_job(steering, input_dataset=dataset, max_retries=2))
        except UsageError as error:
            print(f"no project: {error}")
            return 2
        print(f"run {run.id} of {len(run)} jobs, {GridDataset.of(run)[0]}")
        outcomes = run.wait()
    for outcome in outcomes:
        if not outcome.done:
            print(outcome.describe())
    counts = Counter(outcome.state.value for outcome in outcomes)
    print(", ".join(f"{number} {state}" for state, number in counts.items()))
    return int(not all(outcome.done for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
