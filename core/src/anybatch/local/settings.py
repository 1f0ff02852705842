"""The settings of `local`."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETTINGS = (
    Setting(
        name="cores",
        kind=Kind.INTEGER,
        help="Total number of cores that your running jobs may use (default: all of this machine).",
    ),
    Setting(
        name="memory",
        kind=Kind.SIZE,
        help="Total memory that your running jobs may request (default: all of this machine).",
    ),
    Setting(
        name="kill_wait",
        kind=Kind.DURATION,
        default="10s",
        help="Grace period between TERM and KILL when a job is stopped.",
    ),
)
