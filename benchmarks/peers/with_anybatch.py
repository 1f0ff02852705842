"""COUNT jobs of `true` on Slurm, with anybatch."""

import json
import sys
import time

from anybatch import Job, Session

with Session("slurm") as session:
    started = time.perf_counter()
    run = session.submit([Job(["true"])] * int(sys.argv[1]))
    assert all(outcome.done for outcome in run.wait())
print(json.dumps(time.perf_counter() - started))
