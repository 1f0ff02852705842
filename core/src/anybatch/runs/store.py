"""Run folders on disk, and the index that finds them again.

    .anybatch/runs/RUN/
        run.json            what the run is; written once, before anything is submitted
        job.sh  tasks/      the job script and a line for each job (`script.py`, `tasks.py`)
        stage-in/  stage-out/  what the batch system moves, and where to (`transfer_layout.py`)
        submit-N...         what the plugin rendered
        journal-*.jsonl     what happened, a file for each writing process (`journal.py`)
        start/  exit/       records that jobs leave by their names (`exit_records.py`)
        logs/               output of jobs

The index is a folder of small files under the user's state folder, one for each run: `active`
for runs that may still change, `ended` for the others.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import platformdirs

from anybatch.errors import FolderError, RunNotFound, SettingError, did_you_mean
from anybatch.model import Retry
from anybatch.planning.plan import Planned
from anybatch.planning.transfer_layout import make_links
from anybatch.ranges import read_ranges, write_ranges
from anybatch.records import Submission
from anybatch.runs.serialization import from_plain, to_plain
from anybatch.worker.layout import page_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.host import Host
    from anybatch.planning.plan import Plan

FORMAT = 1
_SHOWN = 5  #: runs that are named if a part of an ID matches several


@attrs.frozen(kw_only=True)
class RunFile:
    """A run as it was planned: the content of `run.json`.

    Attributes:
        run, system, folder, base, created, count, submissions, stdout, stderr, labels: as in
            `Plan`.
        host, user: where and by whom it was submitted.
    """

    run: str
    system: str
    folder: Path
    base: Path
    created: datetime
    count: int
    submissions: tuple[Planned, ...]
    stdout: tuple[tuple[str, str], ...]
    stderr: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, Mapping[str, str]], ...]
    host: str
    user: str


def create(plan: Plan, host: Host) -> RunFile:
    """Make the run's folder with everything in it that does not depend on the batch system.

    Raises:
        FolderError: it cannot be written (permissions, a full disk); nothing was submitted.
    """
    record = RunFile(
        run=plan.run,
        system=plan.system,
        folder=plan.folder,
        base=plan.base,
        created=plan.created,
        count=plan.count,
        submissions=plan.submissions,
        stdout=plan.stdout,
        stderr=plan.stderr,
        labels=plan.labels,
        host=host.name,
        user=host.user,
    )
    try:
        _write(plan, record, host)
    except (OSError, FolderError) as error:
        host.remove(plan.folder)
        problem = error.strerror if isinstance(error, OSError) else error
        raise FolderError(
            f"cannot create the run folder {str(plan.folder)!r}: {problem}; nothing was "
            f"submitted. Set runs_dir to put run folders elsewhere."
        ) from error
    return record


def _write(plan: Plan, record: RunFile, host: Host) -> None:
    host.make_folder(plan.folder)
    for name in ("exit", "start", "logs"):
        host.make_folder(plan.folder / name)
    for name in page_folders(plan.count):
        host.make_folder(plan.folder / name)
    for folder in plan.folders:
        host.make_folder(folder, 0o777)  # some are of the user, for outputs
    for file in plan.files:
        host.write(file.path, file.text, file.mode)
    make_links(plan.links, host)
    _hide_from_git(plan.folder, host)
    host.write(plan.folder / "run.json", json.dumps(_plain(record)))


def _hide_from_git(folder: Path, host: Host) -> None:
    """Keep logs and inherited variables out of `git add`, in a folder that is all ours."""
    ours = next((one for one in folder.parents if one.name == ".anybatch"), None)
    if ours is not None and not host.exists(ours / ".gitignore"):
        host.write(ours / ".gitignore", "*\n")


def _plain(record: RunFile) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **{name: getattr(record, name) for name in ("run", "system", "count", "host", "user")},
        "base": str(record.base),
        "created": record.created.isoformat(),
        "stdout": record.stdout,
        "stderr": record.stderr,
        "labels": record.labels,
        "submissions": [plain_planned(one) for one in record.submissions],
    }


def plain_planned(planned: Planned) -> dict[str, Any]:
    """A planned submission for JSON."""
    submission = to_plain(planned.submission)
    submission["settings"] = to_plain(dict(planned.submission.settings))
    for name in ("run", "folder", "after"):
        submission.pop(name, None)
    return {
        "submission": submission,
        "indices": write_ranges(planned.indices),
        "waits": planned.waits,
        "retry": to_plain(planned.retry),
        "attempt": planned.attempt,
    }


def read_planned(
    plain: Mapping[str, Any],
    run: str,
    folder: Path,
    restore_types: Callable[[Mapping[str, Any]], Any],
) -> Planned:
    """The inverse of `plain_planned`."""
    fields = {**plain["submission"], "run": run, "folder": str(folder)}
    settings = fields.pop("settings", {})
    submission = from_plain(fields, Submission)
    return Planned(
        submission=attrs.evolve(submission, settings=restore_types(settings)),
        indices=tuple(read_ranges(plain["indices"])),
        waits=tuple((name, index) for name, index in plain["waits"]),
        retry=from_plain(plain["retry"], Retry),
        attempt=plain["attempt"],
    )


def read(
    folder: Path, host: Host, restore_types: Callable[[str, Mapping[str, Any]], Any]
) -> RunFile:
    """The run of a folder.

    Args:
        restore_types: gives a plugin's settings, as read from JSON, their types back.

    Raises:
        FolderError: the folder or its `run.json` cannot be read, or is damaged.
    """
    try:
        plain = json.loads(host.read(folder / "run.json"))
        if plain["format"] != FORMAT:
            raise FolderError(
                f"cannot read run {plain['run']}: it was written by another version of anybatch "
                f"(format {plain['format']}; this version reads {FORMAT})"
            )
        system = plain["system"]

        def restore(values: Mapping[str, Any]) -> Any:
            return restore_types(system, values)

        return RunFile(
            **{name: plain[name] for name in ("run", "system", "count", "host", "user")},
            folder=folder,
            base=Path(plain["base"]),
            created=datetime.fromisoformat(plain["created"]),
            stdout=tuple((indices, name) for indices, name in plain["stdout"]),
            stderr=tuple((indices, name) for indices, name in plain["stderr"]),
            labels=tuple((indices, table) for indices, table in plain["labels"]),
            submissions=tuple(
                read_planned(one, plain["run"], folder, restore) for one in plain["submissions"]
            ),
        )
    except OSError as error:
        raise FolderError(
            f"cannot read the run folder {str(folder)!r}: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, SettingError) as error:
        raise FolderError(
            f"{str(folder / 'run.json')!r} is damaged: {type(error).__name__}: {error}"
        ) from error


class Index:
    """Where this user's runs are.

    Args:
        folder: of the index; default: `runs` in platformdirs' user state folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or platformdirs.user_state_path("anybatch") / "runs"

    def add(self, run: str, folder: Path) -> None:
        """Remember a run, before anything is submitted.

        Raises:
            FolderError: the state folder cannot be written.
        """
        path = self._folder / "active" / run
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(str(folder), "utf-8", "surrogateescape")
        except OSError as error:
            raise FolderError(
                f"cannot register the run in {str(path)!r}: {error.strerror}; nothing was "
                f"submitted. Set XDG_STATE_HOME to use another state folder."
            ) from error

    def end(self, run: str) -> None:
        """Note that the run will not change any more. Best effort: it is only slower without."""
        ended = self._folder / "ended"
        with contextlib.suppress(OSError):
            ended.mkdir(mode=0o700, exist_ok=True)
            (self._folder / "active" / run).rename(ended / run)

    def active(self) -> list[str]:
        """The runs that may still change, oldest first."""
        return self._names("active")

    def known(self) -> list[str]:
        """All runs, those that may still change first."""
        return self._names("active") + self._names("ended")

    def forget(self, run: str) -> None:
        """Drop a run whose folder is gone."""
        with contextlib.suppress(OSError):
            (self._folder / "active" / run).unlink()

    def folder(self, name: str) -> Path:
        """The folder of the run *name*: its id, or a part of it that only one run has.

        Raises:
            RunNotFound: none or several have it.
        """
        for kind in ("active", "ended"):
            with contextlib.suppress(OSError):
                text = (self._folder / kind / name).read_text("utf-8", "surrogateescape")
                return Path(text)
        known = self.known()
        found = [run for run in known if name and name in run]
        if len(found) == 1:
            return self.folder(found[0])
        if found:
            latest = ", ".join(sorted(found)[: -_SHOWN - 1 : -1])
            which = "they are" if len(found) <= _SHOWN else "the latest are"
            raise RunNotFound(f"{name!r} matches {len(found)} runs; {which} {latest}")
        hint = did_you_mean(name, known).replace("; did", ". Did")
        raise RunNotFound(
            f"no run matches {name!r}{hint or '.'} (`anybatch status` lists active runs)"
        )

    def _names(self, kind: str) -> list[str]:
        try:
            return sorted(os.listdir(self._folder / kind))
        except OSError:
            return []
