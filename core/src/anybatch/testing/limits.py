"""At most so many jobs at once: a part of `SystemContract`."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from anybatch import Job, Session, State
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable

#: Notes when it begins and ends, and runs until it may end, and not for ever.
_NOTES = """
date "+%s.%N 1" >"begun-$ANYBATCH_INDEX"
: >"live-$ANYBATCH_INDEX"
for i in $(seq 600); do test -e go || test -e "go-$ANYBATCH_INDEX" && break; sleep 0.2; done
rm "live-$ANYBATCH_INDEX"
date "+%s.%N -1" >"ended-$ANYBATCH_INDEX"
"""


class LimitPromises:
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120

    def test_no_more_jobs_run_at_once_than_may(
        self, session: Session, new_session: Callable[..., Session]
    ) -> None:
        """Of several submissions together, also after another process has changed the number."""
        jobs = [Job(["sh", "-c", _NOTES], name=name) for name in ("one", "two") for _ in range(6)]
        run = session.submit(jobs, max_running=3)
        self._await_live(3, run.refresh)
        assert _most_at_once() == 3
        first, *_ = Path().glob("live-*")
        other = new_session(self.system)
        assert other.attach(run.id).limit(max_running=5).max_running == 5
        Path(first.name.replace("live", "go")).touch()  # some count anew when a job has ended
        self._await_live(5, other.attach(run.id).refresh, other.watch)
        Path("go").touch()
        outcomes = run.wait(self.patience)
        assert [outcome.state for outcome in outcomes] == [State.DONE] * 12
        assert _most_at_once() == 5

    def _await_live(self, count: int, *look: Callable[[], object]) -> None:
        def look_at_all() -> None:
            for one in look:
                one()

        await_that(
            lambda: len(list(Path().glob("live-*"))) == count, look_at_all, patience=self.patience
        )


def _most_at_once() -> int:
    """How many jobs ran at the same moment, by what they have noted."""
    files = [*Path().glob("begun-*"), *Path().glob("ended-*")]
    notes = [file.read_text(encoding="utf-8").split() for file in files]
    changes = sorted((float(at), int(change)) for at, change in notes)
    return max(accumulate(change for _, change in changes))
