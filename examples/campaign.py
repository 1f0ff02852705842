"""A campaign: a thousand files split, packed, retried with more memory, rerun, and reported.

python examples/campaign.py [SYSTEM]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from anybatch import Job, Outcome, Pack, Reason, Resources, Retry, RetryRule, Session
from anybatch.reporting.rows import collect, write_csv

FILES = 1000
# Stands for an analysis: it sums up its files, some of which need more memory at first, and others
# a better calibration than the first one.
ANALYSIS = """
total=0
while read -r file; do
    read -r number <"$file"
    total=$((total + number))
done <"$ANYBATCH_INPUT_LIST"
case $ANYBATCH_INDEX in
*3) [ "$ANYBATCH_ATTEMPT" -gt 0 ] || { echo "not enough memory" >&2; exit 75; } ;;
*7) grep -q good calibration || { echo "bad calibration" >&2; exit 3; } ;;
esac
echo "$total"
"""


def main() -> int:
    """Submit, wait, mend, run again what failed, tell. Exit code 1 where a part is missing."""
    system = sys.argv[1] if len(sys.argv) > 1 else None
    job = Job(
        ["sh", "-c", ANALYSIS],
        name="campaign",
        inputs=["calibration"],
        labels={"campaign": "mc26"},
        resources=Resources(memory="50 MB", time="1h"),
        retry=Retry(rules=[RetryRule(Reason.EXIT_CODE, 1, codes=75, memory="x2", most="1 GB")]),
    )
    Path("calibration").write_text("bad\n")
    with Session(system, on_notice=print) as session:
        run = session.submit(job.split(make_files(), per_job=10), pack=Pack(25))
        print(f"run {run.id}: {FILES} files in {len(run)} jobs, in packs of 25")
        tell(run.wait())
        Path("calibration").write_text("good\n")
        print(f"{run.rerun()} jobs are run again")
        tell(outcomes := run.wait())
        with Path("campaign.csv").open("w", encoding="utf-8") as table:
            write_csv(collect(run), table)
    done = [outcome for outcome in outcomes if outcome.done]
    print(f"sum: {sum(int(outcome.stdout.read_text()) for outcome in done)}")
    return 0 if len(done) == len(outcomes) else 1


def make_files() -> list[Path]:
    """The files of the campaign: each has its number."""
    folder = Path("data")
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number:04}.txt" for number in range(FILES)]
    for number, file in enumerate(files):
        file.write_text(f"{number}\n")
    return files


def tell(outcomes: list[Outcome]) -> None:
    """How many jobs ended how, and how many of them needed a second attempt."""
    ends = Counter(outcome.why() or "done" for outcome in outcomes)
    again = sum(outcome.attempt > 0 for outcome in outcomes)
    print(f"{', '.join(f'{n} {why}' for why, n in ends.items())}; {again} needed more than one try")


if __name__ == "__main__":
    sys.exit(main())
