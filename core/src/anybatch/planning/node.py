"""What the settings say of a job's work on its node beside the command."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from anybatch.errors import SettingError
from anybatch.worker.job_layout import NodeLimits

if TYPE_CHECKING:
    from anybatch.settings.layers import Settings


def node_limits(settings: Settings) -> NodeLimits:
    """Where folders on nodes are, and how long `setup_once` and `cleanup` may take.

    Raises:
        SettingError: a path that is not the same wherever the job runs.
    """
    folder = settings.core("scratch_dir") or ""
    if folder and not folder.startswith("/"):
        raise SettingError(f"scratch_dir must be an absolute path: {folder!r}")
    return NodeLimits(
        scratch_dir=folder,
        setup_once_timeout=math.ceil(settings.core("setup_once_timeout").total_seconds()),
        checkpoint_exit_code=settings.core("checkpoint_exit_code"),
        cleanup_timeout=math.ceil(settings.core("cleanup_timeout").total_seconds()),
    )
