"""Records of plugins: a wrong answer is refused when it is made, so the plugin is named."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from anybatch.host import Command
from anybatch.model import State
from anybatch.records import (
    Alias,
    Detection,
    Environment,
    JobStatus,
    Limits,
    Rendered,
    RenderedFile,
    Setting,
    SiteDefault,
)
from anybatch.worker_paths import ForbiddenMountPath

RIGHT: dict[type, dict[str, Any]] = {
    Alias: {"system": "local"},
    Detection: {"available": True, "reason": "here"},
    Environment: {},
    ForbiddenMountPath: {"pattern": ":", "advice": "cannot be mounted"},
    JobStatus: {"state": State.RUNNING, "native_state": "RUN", "source": "bjobs"},
    Limits: {},
    Rendered: {"command": Command(("bsub",))},
    RenderedFile: {"path": Path("/a"), "text": "x"},
    Setting: {"name": "queue"},
    SiteDefault: {"name": "lsf.queue", "value": "short"},
}
WRONG = [
    (Alias, "system", 3),
    (Alias, "settings", "short"),
    (Detection, "available", "yes"),
    (Detection, "reason", None),
    (Detection, "priority", "high"),
    (Detection, "priority", True),
    (Detection, "version", 10.1),
    (Detection, "details", {"queue": None}),
    (Environment, "scrub", "MY_*"),
    (Environment, "wrapper", "nice"),
    (Environment, "env", {"A": 1}),
    (Environment, "env", {"A B": "1"}),
    (ForbiddenMountPath, "pattern", "("),
    (JobStatus, "state", "running"),
    (JobStatus, "state", State.NEW),
    (JobStatus, "state", State.LOST),
    (JobStatus, "native_state", 1),
    (JobStatus, "reason", "exit_code"),
    (JobStatus, "exit_code", "0"),
    (JobStatus, "exit_code", True),
    (JobStatus, "host", ["a", "b"]),
    (JobStatus, "started", datetime(2026, 1, 1)),  # noqa: DTZ001 - without a zone
    (JobStatus, "ended", "2026-01-01"),
    (JobStatus, "restarts", -1),
    (JobStatus, "cpu_time", 3.5),
    (JobStatus, "max_memory", "3 GB"),
    (JobStatus, "max_memory", -1),
    (JobStatus, "stdout", "/a/b"),
    (JobStatus, "never_started", "no"),
    (Limits, "array", 0),
    (Limits, "array", True),
    (Limits, "dependencies", "no"),
    (Limits, "render_context", {"unit": 1}),
    (Rendered, "command", "bsub < script"),
    (Rendered, "files", "script"),
    (RenderedFile, "path", "script"),
    (RenderedFile, "text", b"x"),
    (Setting, "kind", "nonsense"),
    (Setting, "name", 3),
    (Setting, "choices", "short"),
    (SiteDefault, "name", 3),
]


@pytest.mark.parametrize("kind", RIGHT, ids=lambda kind: kind.__name__)
def test_what_is_right_is_taken(kind: type) -> None:
    """The least that each record holds."""
    assert kind(**RIGHT[kind])


@pytest.mark.parametrize(
    ("kind", "field", "value"), WRONG, ids=lambda v: v if isinstance(v, str) else None
)
def test_a_wrong_answer_is_refused_where_it_is_made(kind: type, field: str, value: object) -> None:
    """Not where somebody uses it later, and would know no plugin to blame."""
    with pytest.raises((TypeError, ValueError)):
        kind(**{**RIGHT[kind], field: value})


def test_the_error_names_the_field_and_the_value() -> None:
    """In a sentence that an author can act on."""
    with pytest.raises(TypeError, match=r"^max_memory must be of type int, not '3 GB'$"):
        JobStatus(**{**RIGHT[JobStatus], "max_memory": "3 GB"})


def test_what_contradicts_itself_is_refused() -> None:
    """A job that never started is not done."""
    with pytest.raises(ValueError, match="never started"):
        JobStatus(state=State.DONE, native_state="D", source="s", never_started=True)
    now = datetime.now(timezone.utc)
    assert JobStatus(**{**RIGHT[JobStatus], "started": now}).started == now
