"""At most so many jobs at once: a part of `SystemContract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from anybatch import Job, Session, State
from anybatch.testing.waiting import await_that

if TYPE_CHECKING:
    from collections.abc import Callable

#: Counts those that run with it, and runs until it may end, and not for ever.
_COUNTS = """
: >"live-$ANYBATCH_INDEX"
set -- live-*
echo $# >"seen-$ANYBATCH_INDEX"
for i in $(seq 600); do test -e go || test -e "go-$ANYBATCH_INDEX" && break; sleep 0.2; done
rm "live-$ANYBATCH_INDEX"
"""


class LimitPromises:
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120

    def test_no_more_jobs_run_at_once_than_may(
        self, session: Session, new_session: Callable[..., Session]
    ) -> None:
        """Of several submissions together, also after another process has changed the number."""
        jobs = [Job(["sh", "-c", _COUNTS], name=name) for name in ("one", "two") for _ in range(3)]
        run = session.submit(jobs, max_running=1)
        self._await_live(1, run.refresh)
        [first] = Path().glob("live-*")
        other = new_session(self.system)
        assert other.attach(run.id).limit(max_running=2).max_running == 2
        Path(first.name.replace("live", "go")).touch()  # some count anew when a job has ended
        self._await_live(2, other.attach(run.id).refresh, other.watch)
        Path("go").touch()
        outcomes = run.wait(self.patience)
        assert [outcome.state for outcome in outcomes] == [State.DONE] * 6
        assert (
            max(int(Path(f"seen-{index}").read_text(encoding="utf-8")) for index in range(6)) == 2
        )

    def _await_live(self, count: int, *look: Callable[[], object]) -> None:
        def look_at_all() -> None:
            for one in look:
                one()

        await_that(
            lambda: len(list(Path().glob("live-*"))) == count, look_at_all, patience=self.patience
        )
