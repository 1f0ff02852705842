"""Three jobs take files along and send files back, whether or not they share a folder with us.

python examples/transfer.py [SYSTEM]
"""

from __future__ import annotations

import sys
from pathlib import Path

from anybatch import Job, Session

FOLDER = Path("transfer")  # all files of this example, and the run's folder, are in it
FIT = """#!/bin/sh
# fit.sh SAMPLE: adds up a sample's numbers, each times the calibration
factor=$(cat calibration/factor.txt)
sum=0
while read -r number; do sum=$((sum + factor * number)); done <"$1"
mkdir -p fits
echo "$1: $sum" >fits/sum.txt
echo "on $(uname -n) in $PWD"
"""
SAMPLES = {"muons": [1, 2, 3], "pions": [10, 20], "kaons": [100]}


def main() -> int:
    """Make the files, submit, wait, show. Exit code 1 where a job is not done."""
    write("fit.sh", FIT).chmod(0o755)
    write("calibration/factor.txt", "7\n")
    for name, numbers in SAMPLES.items():
        write(f"samples/{name}.txt", "".join(f"{number}\n" for number in numbers))
    jobs = [fit(name) for name in SAMPLES]
    with Session(
        sys.argv[1] if len(sys.argv) > 1 else None, on_notice=print, folder=FOLDER
    ) as session:
        outcomes = session.submit(jobs).wait()
    for outcome in outcomes:
        print(outcome.describe(), outcome.stdout.read_text().strip() if outcome.stdout else "")
    for path in sorted(FOLDER.glob("results/*/fits/sum.txt")):
        print(path, "has", path.read_text().strip())
    return 0 if all(outcome.done for outcome in outcomes) else 1


def fit(sample: str) -> Job:
    """A job that needs its program, a folder, and a file of its own."""
    return Job(
        ["./fit.sh", f"samples/{sample}.txt"],
        name="fit",
        workdir=Path("work/{index}"),  # where no files are moved; else a folder made for the job
        inputs=["fit.sh", "calibration", f"samples/{sample}.txt"],
        outputs=["fits/*"],
        output_dir=Path("results/{index}"),
    )


def write(name: str, text: str) -> Path:
    """Make a file in our folder."""
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


if __name__ == "__main__":
    sys.exit(main())
