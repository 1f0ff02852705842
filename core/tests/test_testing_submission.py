"""Submissions for unit tests of plugins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Resources
from anybatch.errors import SettingError, UnknownSystem
from anybatch.records import Kind, Rendered, Setting, Submission
from anybatch.system import BatchSystem
from anybatch.testing import submission

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch.records import Batch, JobStatus


class Queue(BatchSystem):
    """A plugin that is not installed."""

    def anybatch_settings(self) -> Iterable[Setting]:
        """Of several kinds."""
        return (
            Setting(name="queue"),
            Setting(name="patience", kind=Kind.DURATION, default="1m"),
            Setting(name="+*", kind=Kind.OPTION),
        )

    def anybatch_render(self, submission: Submission) -> Rendered:
        raise NotImplementedError

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        raise NotImplementedError

    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        raise NotImplementedError

    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        raise NotImplementedError

    def anybatch_terminate(self, batches: Sequence[Batch], signal: str | None) -> None:
        raise NotImplementedError


class Broken(Queue):
    """A plugin without a hook that it needs."""

    anybatch_status: Any = None


def test_settings_are_checked_and_defaults_filled_in() -> None:
    """As in a session, but nothing is read from files or the environment."""
    one = submission(Queue, settings={"queue": "short", "patience": "2m", "+site": 3})
    assert one.settings == {"queue": "short", "patience": timedelta(minutes=2), "+site": 3}
    assert submission(Queue).settings == {"queue": None, "patience": timedelta(minutes=1)}


def test_the_rest_is_as_given_or_plain() -> None:
    """Every attribute of a submission can be set."""
    one = submission(Queue, count=3, resources=Resources(cores=4), name="two words", number=7)
    assert (one.count, one.resources.cores, one.name, one.number) == (3, 4, "two words", 7)
    assert one.run in one.token
    assert one.run in str(one.folder)


def test_a_plugin_that_is_installed_has_a_name() -> None:
    """Its own settings, and no others."""
    assert "cores" in submission("local").settings
    with pytest.raises(UnknownSystem, match="no batch system named 'nosuch'"):
        submission("nosuch")


def test_a_setting_that_does_not_fit_is_an_error() -> None:
    """The error is the one that a user would get."""
    with pytest.raises(SettingError, match="unknown setting 'queu'; did you mean 'queue'"):
        submission(Queue, settings={"queu": "short"})
    with pytest.raises(SettingError, match=r"setting queue\.patience"):
        submission(Queue, settings={"patience": "soon"})


def test_a_plugin_that_cannot_be_used_is_an_error() -> None:
    """It says what is wrong with it."""
    with pytest.raises(UnknownSystem, match="plugin 'broken' cannot be used"):
        submission(Broken)
