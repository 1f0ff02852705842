"""Three jobs in a container: each tells what it sees there, and writes a file outside.

python examples/container.py IMAGE [SYSTEM]
"""

from __future__ import annotations

import sys
from pathlib import Path

from anybatch import Job, Session, UsageError

LOOK = """
echo "job $ANYBATCH_INDEX of $ANYBATCH_COUNT in $(pwd), with $(ls /bin | wc -l) programs in /bin"
echo "$GREETING from the inside" >greeting.txt
"""


def main() -> int:
    """Submit, wait, show. Exit code 1 where a job is not done, 2 where none can be."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    system = sys.argv[2] if len(sys.argv) > 2 else "apptainer"
    job = Job(
        LOOK,
        name="look",
        container=sys.argv[1],
        workdir=Path("work-{index}"),
        env={"GREETING": "hello"},
        outputs=["greeting.txt"],
        output_dir=Path("greetings/{index}"),
    )
    try:
        with Session(system, on_notice=print) as session:
            outcomes = session.submit([job] * 3).wait()
    except UsageError as error:
        print(error)
        return 2
    for outcome in outcomes:
        print(outcome.stdout.read_text().strip() if outcome.stdout else "", outcome.describe())
    for path in sorted(Path("greetings").glob("*/greeting.txt")):
        print(path, path.read_text().strip())
    return 0 if all(outcome.done for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
