"""What a batch system says of jobs that are not submitted: a part of `SystemContract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from anybatch import Job, Resources, UsageError

if TYPE_CHECKING:
    from anybatch import Session


class CheckPromises:
    """See `SystemContract`."""

    refused: ClassVar[Job | None] = Job(["true"], resources=Resources(queue="no-such-queue"))

    def test_a_check_submits_nothing(self, session: Session) -> None:
        """What is fine is not refused, and what is refused is told before it is submitted."""
        plan = session.plan([Job(["true"])] * 3)
        told = session.check(plan)
        for planned in plan.submissions:
            assert not session.hooks.find(session.system, planned.submission)
        assert not plan.folder.exists()
        assert session.runs() == []
        if not any(one.asked for one in told):
            pytest.skip(f"not tested: {told[0].said}")
        assert all(one.asked and one.said for one in told)
        if self.refused is not None:
            with pytest.raises(UsageError):
                session.check(session.plan(self.refused))
