"""What every batch system must be told, or refuse: a part of `SystemContract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from anybatch import Job, Reason, Resources, Session, State, UsageError
from anybatch.testing.checks import CheckPromises

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What jobs may need: each alone, against a job that leaves it to the system.
_NEEDS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "cores": ({"cores": 2}, {"cores": 3}),
    "tasks": ({"tasks": 2}, {"tasks": 4}),
    "nodes": ({"nodes": 2, "tasks": 4}, {"nodes": 4, "tasks": 4}),
    "gpus": ({"gpus": 1}, {"gpus": 2}),
    "memory": ({"memory": "1 GiB"}, {"memory": "3 GiB"}),
    "disk": ({"disk": "1 GiB"}, {"disk": "3 GiB"}),
    "time": ({"time": "1h"}, {"time": "3h"}),
    "queue": ({"queue": "first"}, {"queue": "second"}),
    "exclusive": ({"exclusive": True},),
}
_ODD_FOLDERS = ("two words", "it's", 'a"b', "100%j", "$HOME", "line\nbreak", "a,b:c")


class RequestPromises(CheckPromises):
    """See `SystemContract`."""

    system: ClassVar[str]
    patience: ClassVar[float] = 120
    example_settings: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()

    def test_urgency_is_said_or_refused(self, session: Session) -> None:
        """Each that the system takes is another text than the usual, and the same for equal jobs.

        A system that cannot tell them apart refuses them before anything is submitted.
        """
        texts = [self._text(session, Job(["true"], urgency=n)) for n in (0, -100, -1, 1, 100)]
        usual, *others = texts
        assert usual is not None, "jobs of no special urgency are refused"
        assert usual not in others, "an urgency makes no difference"

    @pytest.mark.parametrize("field", [*_NEEDS, "settings"])
    def test_what_a_job_needs_is_said_or_refused(self, session: Session, field: str) -> None:
        """A job that needs something else is another text, or an error; nothing is dropped."""
        if field in self.ignored or (field == "settings" and not self.example_settings):
            attribute = "example_settings" if field == "settings" else "ignored"
            pytest.skip(f"not tested: whether {field} is said (attribute `{attribute}`)")
        if field == "settings":
            jobs = [Job(["true"], settings={session.system: self.example_settings})]
        else:
            jobs = [Job(["true"], resources=Resources(**one)) for one in _NEEDS[field]]
        _leave_to_the_system(session)
        texts = [self._text(session, job) for job in (Job(["true"]), *jobs)]
        told = [text for text in texts if text is not None]
        assert len({*told}) == len(told), f"{field} makes no difference"

    def _text(self, session: Session, job: Job) -> str | None:
        """All that is said to the system, but for what differs from run to run."""
        try:
            plan = session.plan(job)
        except UsageError:
            return None
        [planned] = plan.submissions
        rendered = session.hooks.render(session.system, planned.submission)
        words = [*rendered.command.argv, rendered.command.stdin]
        text = "\n".join([*words, *(file.text for file in rendered.files)])
        return text.replace(plan.run, "RUN")

    def test_what_is_refused_for_good_is_rejected(self, session: Session) -> None:
        """The system's own words are the outcome's message, and it is not tried again."""
        if self.refused is None:
            pytest.skip("not tested: what the system refuses (attribute `refused`)")
        _leave_to_the_system(session)
        try:
            run = session.submit(self.refused)
        except UsageError:
            return
        [outcome] = run.wait(self.patience)
        assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
        assert outcome.message

    @pytest.mark.parametrize(
        "name", ["two words", "it's", 'a"b', "100%j", "$HOME", "a\nb", "a,b:c"]
    )
    def test_a_run_folder_of_any_name_works_or_is_refused(
        self, new_session: Callable[..., Session], name: str
    ) -> None:
        """Nothing in a path is taken for something else."""
        folder = Path.cwd() / name
        folder.mkdir()
        session = new_session(self.system, folder=folder)
        try:
            run = session.submit(Job(["sh", "-c", "pwd; echo end"]))
        except UsageError:
            return
        [outcome] = run.wait(self.patience)
        assert outcome.done or outcome.reason is Reason.REJECTED, outcome
        if outcome.done and outcome.stdout:
            assert outcome.stdout.read_text() == f"{folder}\nend\n"


def _leave_to_the_system(session: Session) -> None:
    """Have requests come as far as the plugin, which a look at the system's nodes may refuse."""
    unchecked = {"anybatch": {"check_resources": False}}
    session.settings = session.settings.with_layer("call", unchecked)
