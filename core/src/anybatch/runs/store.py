"""Run folders on disk. `index.py` finds them again.

    .anybatch/runs/RUN/
        run.json            what the run is; written once, before anything is submitted
        jobs.json           what each job was described as (`described.py`)
        job.sh  tasks/      the job script and a line for each job (`script.py`, `tasks.py`)
        inputs/             copies of inputs (`copies.py`)
        stage-in/  stage-out/  what the batch system moves, and where to (`transfer_layout.py`)
        submit-N...         what the plugin rendered
        journal-*.jsonl     what happened, a file for each writing process (`journal.py`)
        claims/             which process takes a step (`Lease.claim`)
        start/  exit/       records that jobs leave by their names (`exit_records.py`)
        logs/               output of jobs
        notify/             who is told of its end (`requests.py`)

What is in a run's folder is believed only where nobody else can write to it.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import FolderAway, FolderError
from anybatch.model import Retry
from anybatch.ownership import NotOwn
from anybatch.packing import Pack
from anybatch.planning.plan import Largest, Planned, RunLimit, token
from anybatch.planning.transfer_layout import make_links
from anybatch.ranges import read_ranges, write_ranges
from anybatch.records import Submission
from anybatch.runs import described, requests, shapes
from anybatch.runs.described import Described
from anybatch.runs.serialization import from_plain, read_path, read_time, to_plain, write_path
from anybatch.worker.layout import page_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.host import Host
    from anybatch.planning.plan import Plan

FORMAT = 1
_MOST = 10_000_000  #: jobs of a run; more are a damaged number
#: A folder that is there, with something else in the place of a file.
_NO_FILE = frozenset({errno.EINVAL, errno.EFBIG, errno.EISDIR, errno.ELOOP})


@attrs.frozen(kw_only=True)
class RunFile:
    """A run as it was planned: the content of `run.json`.

    Attributes:
        run, system, folder, base, created, count, submissions, stdout, stderr, templates, labels,
            limit:
            as in `Plan`.
        host, user: where and by whom it was submitted.
        described: what its jobs were described as.
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
    templates: str
    host: str
    user: str
    described: Described = attrs.field(eq=False, repr=False)
    limit: RunLimit = attrs.field(factory=RunLimit)


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
        limit=plan.limit,
        templates=plan.templates,
        described=Described(
            plan.folder, host, plan.count, has_params=any(job.params for job in plan.jobs)
        ),
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
    for folder in _own_folders(plan.folder):
        host.make_private(folder)
    for name in page_folders(plan.count):
        host.make_private(plan.folder / name)
    for folder in plan.folders:
        if plan.folder in folder.parents:
            host.make_private(folder)
        else:
            host.make_folder(folder)  # the user's, for outputs
    for file in plan.files:
        host.write(file.path, file.text, file.mode)
    make_links(plan.links, host)
    for copy in plan.copies:
        host.copy(copy.path, copy.source)
    _hide_from_git(plan.folder, host)
    if plan.notify:
        requests.add(plan.folder, plan.notify, host)
    host.write(plan.folder / described.NAME, described.write_jobs(plan.jobs))
    host.write(plan.folder / "run.json", json.dumps(_plain(record)))


def _own_folders(folder: Path) -> list[Path]:
    """A run's folder, the one of run folders, and `.anybatch` where they are in it."""
    names = [one.name for one in folder.parents]
    above = names.index(".anybatch") if ".anybatch" in names else 0
    return [*reversed(folder.parents[: above + 1]), folder]


def _hide_from_git(folder: Path, host: Host) -> None:
    """Keep logs and inherited variables out of `git add`, in a folder that is all ours."""
    ours = next((one for one in folder.parents if one.name == ".anybatch"), None)
    if ours is not None and not host.exists(ours / ".gitignore"):
        host.write(ours / ".gitignore", "*\n")


def _plain(record: RunFile) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **{name: getattr(record, name) for name in ("run", "system", "count", "host", "user")},
        "base": write_path(record.base),
        "created": record.created.isoformat(),
        "stdout": record.stdout,
        "stderr": record.stderr,
        "labels": record.labels,
        "limit": attrs.asdict(record.limit),
        "templates": record.templates,
        "params": record.described.has_params,
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
        "pack": to_plain(planned.pack),
        "checkpoint": planned.checkpoint,
        "skipped": planned.skipped,
        "pause": planned.pause.total_seconds(),
        "largest": to_plain(planned.largest),
        "unchecked": planned.unchecked,
    }


def read_planned(
    plain: Mapping[str, Any],
    file: RunFile,
    restore_types: Callable[[Mapping[str, Any]], Any],
) -> Planned:
    """The inverse of `plain_planned`, for a further submission of a run.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, AnybatchError: it makes no sense.
    """
    return _read_planned(plain, file.run, file.folder, file.count, restore_types)


def _read_planned(
    plain: Mapping[str, Any],
    run: str,
    folder: Path,
    count: int,
    restore_types: Callable[[Mapping[str, Any]], Any],
) -> Planned:
    fields = {**plain["submission"], "run": run, "folder": write_path(folder)}
    settings = fields.pop("settings", {})
    submission = from_plain(fields, Submission)
    # What is looked up, or run again, under a wrong token would run twice.
    if submission.token != token(run, submission.number):
        raise ValueError(f"{submission.token!r:.100} is not the token of {submission.number}")
    indices = tuple(read_ranges(plain["indices"], below=min(count, _MOST)))
    sets = len(submission.transfer_sets)
    pack = from_plain(plain.get("pack", {}), Pack)
    packs = pack.facts(len(indices))
    told = {name: getattr(submission, name) for name in packs}
    if told != packs or sets not in (0, 1, len(indices)):
        raise ValueError(f"submission {submission.number} does not have {submission.count} jobs")
    return Planned(
        submission=attrs.evolve(submission, settings=restore_types(settings)),
        indices=indices,
        waits=tuple((shapes.text(name), shapes.index(index)) for name, index in plain["waits"]),
        retry=from_plain(plain["retry"], Retry),
        attempt=shapes.whole(plain["attempt"]),
        pack=pack,
        checkpoint=shapes.whole(plain.get("checkpoint", 0)),
        skipped=plain.get("skipped") is True,
        pause=timedelta(seconds=plain.get("pause", 0)),
        largest=from_plain(plain.get("largest", {}), Largest),
        unchecked=plain.get("unchecked") is True,
    )


def read(
    folder: Path, host: Host, restore_types: Callable[[str, Mapping[str, Any]], Any]
) -> RunFile:
    """The run of a folder.

    Args:
        restore_types: gives a plugin's settings, as read from JSON, their types back.

    Raises:
        FolderAway: the folder cannot be seen now.
        FolderError: it is not believed, or its `run.json` is damaged.
    """
    path = folder / "run.json"
    try:
        why = host.distrust(folder)
        text = "" if why else host.read(path, own=True)
    except NotOwn as error:
        why = f"{path.name}: {error.strerror}"
    except OSError as error:
        if error.errno in _NO_FILE:
            raise FolderError(f"{str(path)!r} is damaged: {error.strerror}") from error
        raise FolderAway(
            f"the run folder {str(folder)!r} is away: {error.strerror or error}; the run keeps "
            f"its place and can be read again when the folder is back (to forget the run: "
            f"anybatch clean {folder.name})"
        ) from error
    if why:
        raise FolderError(f"the run folder {str(folder)!r} is not believed: {why}")
    try:
        return _read(json.loads(text), folder, host, restore_types)
    except FolderError:
        raise
    except Exception as error:  # anything may stand there
        raise FolderError(
            f"{str(path)!r} is damaged: {type(error).__name__}: {error!s:.500}"
        ) from error


def _read(
    plain: Any, folder: Path, host: Host, restore_types: Callable[[str, Mapping[str, Any]], Any]
) -> RunFile:
    if plain["format"] != FORMAT:
        raise FolderError(
            f"cannot read run {plain['run']!s:.50}: it was written by another version of anybatch "
            f"(format {plain['format']!s:.50}; this version reads {FORMAT})"
        )
    run, system, count = (
        shapes.text(plain["run"]),
        shapes.text(plain["system"]),
        shapes.whole(plain["count"]),
    )
    if run != folder.name:
        raise ValueError(f"it belongs to the run {run:.50}")
    if not count:
        raise ValueError("it has no jobs")

    def restore(values: Mapping[str, Any]) -> Any:
        return restore_types(system, values)

    submissions = tuple(
        _read_planned(one, run, folder, count, restore) for one in plain["submissions"]
    )
    if [one.submission.number for one in submissions] != list(range(len(submissions))):
        raise ValueError("its submissions are not numbered 0, 1, 2, ...")
    if sorted(index for one in submissions for index in one.indices) != [*range(min(count, _MOST))]:
        raise ValueError(f"its submissions do not have {count} jobs")
    if any(
        name == run and (index or 0) >= count for one in submissions for name, index in one.waits
    ):
        raise ValueError("a job waits for a job that does not exist")
    return RunFile(
        run=run,
        system=system,
        count=count,
        host=shapes.text(plain["host"]),
        user=shapes.text(plain["user"]),
        folder=folder,
        base=read_path(plain["base"]),
        created=read_time(plain["created"]),
        stdout=shapes.logs(plain["stdout"], count),
        stderr=shapes.logs(plain["stderr"], count),
        labels=shapes.labels(plain["labels"], count),
        limit=from_plain(plain.get("limit", {}), RunLimit),
        templates=shapes.ranges(plain.get("templates", ""), count),
        described=Described(folder, host, count, has_params=plain.get("params") is True),
        submissions=submissions,
    )
