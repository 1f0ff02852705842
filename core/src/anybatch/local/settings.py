"""What can be set for `local`."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETTINGS = (
    Setting(
        name="cores",
        kind=Kind.INTEGER,
        help="Most cores in use at once, over all runs of this user; default: the machine's.",
    ),
    Setting(
        name="memory",
        kind=Kind.SIZE,
        help="Most memory promised at once to jobs that ask for some; default: the machine's.",
    ),
    Setting(
        name="kill_wait",
        kind=Kind.DURATION,
        default="10s",
        help="How long a job that is told to end (TERM) has until it is killed.",
    ),
)
