"""The job script and the task files of a run, as text. Pure: nothing is touched.

`job.sh` is one file for the whole run: what its jobs share, then how a job is run, which is put
together from static pieces: those in the folder `pieces` that the run's jobs need. The task files
(`tasks.py`) have a line of shell for each job: its index, what differs from the shared part, and
its command.
"""

from __future__ import annotations

import os
import re
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING

from anybatch.encoding import to_bytes
from anybatch.packing import Pack
from anybatch.quoting import INDEX, quote, quote_indexed, quote_pattern, quote_words
from anybatch.ranges import PAGE
from anybatch.worker.layout import JOBS
from anybatch.worker_paths import WorkerPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from anybatch.worker.job_layout import JobLayout

#: All pieces in the order in which they stand in a script; those with a comment are only for jobs
#: that have such a field.
PIECES = (
    "shells",
    "frame",
    "wait",
    "checkpoint",
    "inside",
    "setup",  # env_script, setup
    "stage_in",  # inputs
    "copies",  # copy_inputs
    "stage_out",  # outputs
    "transferred",  # files that the batch system moves
    "container",  # a wrapper
    "node",  # scratch, setup_once
    "once",  # setup_once
    "cleanup",
    "apart",  # jobs are packed, and the batch system moves their files
    "pack",  # several jobs of the run are one of the batch system
    "begin",
)
_ALWAYS = frozenset({"shells", "frame", "wait", "inside", "begin"})
_ALONE = Pack()
_NONE: Mapping[str, str] = {}
_ATTEMPT = re.compile(r"(?<= ab_attempt=)\d+(?=;)")


def definitions(around: JobLayout) -> dict[str, str]:
    """The shell definitions, each on one line, by the name that they define."""
    values = {
        "ab_workdir": around.workdir,
        "ab_make_workdir": "1" if _makes_workdir(around) else "",
        "ab_env_script": around.env_script,
        "ab_output_dir": around.output_dir,
        "ab_stdin": around.stdin,
        "ab_stdout": around.stdout,
        "ab_stderr": around.stderr,
        "ab_checkpoint": str(around.node.checkpoint_exit_code) if around.checkpoint else "",
        **_node_values(around),
    }
    functions = {
        "ab_inherit": _exports(around.inherit),
        "ab_env": _exports(around.env),
        "ab_setup": [f"ab_setup_line {quote(line)}" for line in around.setup],
        "ab_stage_in": _stage_in(around),
        "ab_stage_out": [*_if_done(around), *_stage_out(around)],
        "ab_wrapped": _wrapper(around),
        "ab_enter": ["ab_make_scratch" if around.scratch else "ab_enter_workdir"],
        "ab_prepare": ["ab_set_up_once"] if around.setup_once else [],
        "ab_once_lines": [f"ab_once_line {quote(line)}" for line in around.setup_once],
        "ab_cleanup_lines": [f"ab_cleanup_line {quote(line)}" for line in around.cleanup],
        "ab_tidy": _tidying(around),
    }
    write = _writer(around)
    texts = {name: f"{name}={write(value)}" for name, value in values.items()}
    texts["ab_launch"] = "ab_launch=" + ("wrapped" if around.wrapper else "inside")
    for name, commands in functions.items():
        texts[name] = f"{name}() {{ {'; '.join(commands) or ':'}; }}"
    return texts


def _node_values(around: JobLayout) -> dict[str, str]:
    lines = "\n".join(around.setup_once)
    limits = around.node
    return {
        "ab_scratch_dir": limits.scratch_dir,
        "ab_once": f"{zlib.crc32(to_bytes(lines)):08x}" if lines else "",
        "ab_once_timeout": str(limits.setup_once_timeout) if lines else "",
        "ab_cleanup_timeout": str(limits.cleanup_timeout) if around.cleanup else "",
    }


def _tidying(around: JobLayout) -> list[str]:
    steps = {
        'ab_clean_up "$@"': around.cleanup,
        "ab_remove_scratch": around.scratch,
        'ab_leave "$ab_shared_dir"': around.setup_once,
    }
    return [step for step, needed in steps.items() if needed]


def _makes_workdir(around: JobLayout) -> bool:
    return around.make_workdir or (INDEX in around.workdir and not around.filled)


def _writer(around: JobLayout) -> Callable[[str], str]:
    return quote if around.filled else quote_indexed


def _stage_in(around: JobLayout) -> list[str]:
    first = ["ab_check_arrivals"] if around.transferred else []
    first += [f"ab_fetched {quote(_plain(name))}" for name in around.fetched]
    last = ["ab_mark_copies"] if around.own_copies and around.inputs else []
    return [*first, *(_staging(around, *pair) for pair in around.inputs), *last]


def _staging(around: JobLayout, source: str, destination: str) -> str:
    """The command that brings an input; one that is in its place has to be there all the same."""
    if around.own_copies:
        place = "ab_copy_own"
    elif os.path.join(around.workdir, destination) == source:
        place = "ab_keep"
    else:
        place = "ab_copy" if around.copy else "ab_link"
    return f"{place} {quote(source)} {quote(_plain(destination))}"


def pieces_of(around: JobLayout) -> frozenset[str]:
    """The pieces that a job's script is made of, by their names in `PIECES`."""
    wanted = {
        "checkpoint": around.checkpoint,
        "setup": around.env_script or around.setup,
        "stage_in": around.inputs,
        "copies": around.inputs and around.own_copies,
        "stage_out": around.outputs or around.optional_outputs,
        "transferred": around.transferred,
        "container": around.wrapper,
        "node": around.scratch or around.setup_once,
        "once": around.setup_once,
        "cleanup": around.cleanup,
    }
    return _ALWAYS | {name for name, needed in wanted.items() if needed}


def _stage_out(around: JobLayout) -> list[str]:
    write = _writer(around)
    required = [(_matches(one, write), f"ab_collect {write(one)}") for one in around.outputs]
    optional = [(_matches(one, write), "ab_collect ''") for one in around.optional_outputs]
    patterns = [*required, *optional]
    first = [f"ab_resolve {matches}" for matches, _ in patterns] if around.transferred else []
    last = around.outputs if around.transferred and around.whole else ()
    return [
        *first,
        *(f"{collect} {matches}" for matches, collect in patterns),
        *(f"ab_vouch {write(os.path.normpath(one))}" for one in last),
    ]


def _matches(pattern: str, write: Callable[[str], str]) -> str:
    plain = os.path.normpath(pattern)  # so that the script knows inputs again by their names
    return quote_pattern(_plain(f"{plain}/" if pattern.endswith("/") else plain), write)


def _if_done(around: JobLayout) -> list[str]:
    """Keeps what a command that failed has left where it is."""
    return ['[ "$ab_status" -eq 0 ] || return 0'] if around.whole else []


def _exports(variables: Mapping[str, str]) -> list[str]:
    if not variables:
        return []
    return ["export " + " ".join(f"{name}={quote(value)}" for name, value in variables.items())]


_PLACES = {
    WorkerPath.RUN: '"$ab_run"',
    WorkerPath.WORKDIR: '"$PWD"',
    WorkerPath.OUTPUT_DIR: '"${ab_output_dir:-$PWD}"',
    WorkerPath.FILES: '"$ab_files"',
}


def _wrapper(around: JobLayout) -> list[str]:
    words = around.wrapper
    if not words:
        return []
    first = {
        WorkerPath.OUTPUT_DIR: 'mkdir -p -- "${ab_output_dir:-$PWD}" || exit 1',
        WorkerPath.FILES: 'ab_note_file "$ab_env_script"',
    }
    before = [command for place, command in first.items() if place in words]
    wrapper = " ".join(_PLACES[w] if isinstance(w, WorkerPath) else quote(w) for w in words)
    task = '"$ab_submission" "$ab_task" "$ab_restarts" "$ab_start"'
    task += ' "$ab_node_dir"' if around.setup_once else ""
    return [*before, "trap - INT QUIT", f'exec {wrapper} /bin/sh "$ab_run/job.sh" --inside {task}']


def _plain(path: str) -> str:
    """A relative path that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def render_script(
    run: str,
    count: int,
    shared: Mapping[str, str],
    pieces: frozenset[str] = frozenset(PIECES),
    pack: Pack = _ALONE,
) -> str:
    """The text of `job.sh`.

    Args:
        run: the run's id.
        count: how many jobs the run has.
        shared: the definitions that tasks do not repeat.
        pieces: what its jobs need.
        pack: how they are packed.
    """
    if pack.jobs > 1:
        pieces |= {"pack", "apart"} if "transferred" in pieces else {"pack"}
    bodies = [_piece(name) for name in PIECES if name in pieces]
    lines = [
        "#!/bin/sh",
        f"# Runs every job of anybatch run {run}:  /bin/sh job.sh SUBMISSION TASK [RESTARTS]",
        "# TASK is a line of the files tasks/SUBMISSION.PAGE, which calls ab_shared.",
        "",
        "ab_nl='",
        "'",
        f"ab_run_id={quote(run)}",
        f"ab_count={count}",
        f"ab_page={PAGE}",
        f"ab_jobs={JOBS}",
        *([f"ab_pack={pack.jobs} ab_lanes={pack.side_by_side}"] if pack.jobs > 1 else []),
        "",
        "ab_shared() {",
        *(f"    {text}" for text in shared.values()),
        "}",
        "",
        *bodies,
    ]
    return "\n".join(lines)


def _piece(name: str) -> str:
    return files("anybatch").joinpath(f"worker/pieces/{name}.sh").read_text("utf-8")


def render_task(
    index: int,
    command: Sequence[str],
    own: Mapping[str, str],
    shared: Mapping[str, str],
    variables: Mapping[str, str] = _NONE,
) -> str:
    """A job's line in its task file, with its line break.

    Args:
        variables: that tell the job its parameters.
    """
    different = [text for name, text in own.items() if text != shared[name]]
    parts = [f"ab_index={index} ab_attempt=0", *_exports(variables), "ab_shared", *different]
    return f"{'; '.join(parts)}; set -- {quote_words(command)}\n"


def with_sets(task: str, sets: Iterable[int]) -> str:
    """The line of a job of a pack whose files are moved, with the sets of files that it gets."""
    return f"ab_sets='{' '.join(map(str, sets))}' {task}"


def next_attempt(task: str, attempt: int) -> str:
    """The line of a job that is run again."""
    return _ATTEMPT.sub(str(attempt), task, count=1)
