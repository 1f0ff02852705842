"""COUNT jobs of `true` on Slurm, with PSI/J, which knows no arrays."""

import json
import sys
import time

import psij

executor = psij.JobExecutor.get_instance("slurm")
started = time.perf_counter()
jobs = [psij.Job(psij.JobSpec(executable="/bin/true")) for _ in range(int(sys.argv[1]))]
for job in jobs:
    executor.submit(job)
for job in jobs:
    status = job.wait()
    assert status is not None
    assert status.state is psij.JobState.COMPLETED
print(json.dumps(time.perf_counter() - started))
