"""Scans a model on LSF: each round is one array, and points that ran out of memory get more.

python examples/scan.py [SYSTEM [QUEUE]]
"""

from __future__ import annotations

import itertools
import sys

from anybatch import Job, Outcome, Reason, Resources, Retry, Session

# Stands for a program that needs twice the memory for each site more.
MODEL = """
import sys, time
sites, coupling = int(sys.argv[1]), float(sys.argv[2])
state = bytearray(b"1") * 2**sites
time.sleep(3)
print(-coupling * sites)
"""
POINTS = list(itertools.product((20, 26, 27), (0.5, 1.0)))  # sites and coupling
LEAST, MOST = 64 * 2**20, 2**30  # bytes of memory
TOO_MUCH = (Reason.OUT_OF_MEMORY, Reason.SIGNAL)  # OpenLava does not tell why it ended a job


def main() -> int:
    """Submit, wait, give more, tell. Exit code 1 where a point is missing."""
    system = sys.argv[1] if len(sys.argv) > 1 else "lsf"
    queue = sys.argv[2] if len(sys.argv) > 2 else None
    found: dict[tuple[int, float], tuple[int, Outcome]] = {}
    points, memory = POINTS, LEAST
    with Session(system, on_notice=print) as session:
        while points and memory <= MOST:
            resources = Resources(memory=memory, time="1h", queue=queue)
            run = session.submit([model(*point, resources) for point in points])
            print(f"run {run.id}: {len(run)} points with {resources.describe()}")
            for point, outcome in zip(points, run.wait(), strict=True):
                found[point] = (memory, outcome)
            points = [point for point in points if found[point][1].reason in TOO_MUCH]
            memory *= 2
    print("sites  coupling   memory  energy")
    for (sites, coupling), (used, outcome) in found.items():
        energy = outcome.stdout.read_text().strip() if outcome.done and outcome.stdout else None
        print(f"{sites:5}  {coupling:8}  {used >> 20:3} MiB  {energy or outcome.describe()}")
    return 0 if all(outcome.done for _, outcome in found.values()) else 1


def model(sites: int, coupling: float, resources: Resources) -> Job:
    """A point of the scan; what passes by itself is run again without our doing."""
    return Job(
        ["python3", "-c", MODEL, str(sites), str(coupling)],
        name="scan",
        resources=resources,
        retry=Retry(2, on=[Reason.NODE_FAILURE, Reason.PREEMPTED]),
    )


if __name__ == "__main__":
    sys.exit(main())
