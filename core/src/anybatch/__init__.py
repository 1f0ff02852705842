"""anybatch: submit, watch and stop batch jobs on any batch system.

from anybatch import Job, Resources, Session

with Session("auto") as session:
    run = session.submit(Job(["python", "fit.py"], resources=Resources(cores=4)))
    for outcome in run.wait():
        print(outcome.describe())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anybatch.errors import (
        AnybatchError,
        CommandError,
        FolderError,
        JobError,
        PluginError,
        Rejected,
        RunNotFound,
        SettingError,
        UnknownSystem,
        UsageError,
    )
    from anybatch.executor import Executor
    from anybatch.hookspecs import hookimpl
    from anybatch.inside import inputs
    from anybatch.model import Job, Jobs, Resources
    from anybatch.outcome import JobFailed, JobId, JobView, Outcome
    from anybatch.packing import Pack
    from anybatch.retries import Retry, RetryRule
    from anybatch.run import Run
    from anybatch.session import Session
    from anybatch.states import Reason, State

__all__ = [
    "AnybatchError",
    "CommandError",
    "Executor",
    "FolderError",
    "Job",
    "JobError",
    "JobFailed",
    "JobId",
    "JobView",
    "Jobs",
    "Outcome",
    "Pack",
    "PluginError",
    "Reason",
    "Rejected",
    "Resources",
    "Retry",
    "RetryRule",
    "Run",
    "RunNotFound",
    "Session",
    "SettingError",
    "State",
    "UnknownSystem",
    "UsageError",
    "hookimpl",
    "inputs",
]

__version__ = "0.1.0"

#: Loaded when first asked for, so that the program can be interrupted quietly from the beginning.
_MODULES = {
    "errors": (
        *("AnybatchError", "CommandError", "FolderError", "JobError", "PluginError", "Rejected"),
        *("RunNotFound", "SettingError", "UnknownSystem", "UsageError"),
    ),
    "executor": ("Executor",),
    "hookspecs": ("hookimpl",),
    "inside": ("inputs",),
    "model": ("Job", "Jobs", "Resources"),
    "outcome": ("JobFailed", "JobId", "JobView", "Outcome"),
    "packing": ("Pack",),
    "retries": ("Retry", "RetryRule"),
    "run": ("Run",),
    "session": ("Session",),
    "states": ("Reason", "State"),
}
_LATER = {name: f"anybatch.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found
