"""COUNT jobs of `true` on Slurm, with submitit: one array, as its documentation advises."""

import json
import sys
import time

import submitit

count = int(sys.argv[1])
executor = submitit.AutoExecutor(folder="submitit", cluster="slurm")
executor.update_parameters(timeout_min=5, slurm_array_parallelism=count)
command = submitit.helpers.CommandFunction(["true"], verbose=False)
started = time.perf_counter()
with executor.batch():
    jobs = [executor.submit(command) for _ in range(count)]
for job in jobs:
    job.result()
print(json.dumps(time.perf_counter() - started))
