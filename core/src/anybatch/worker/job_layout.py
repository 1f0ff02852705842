"""What the job script has to know of a job, and of the node that it comes to."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from anybatch.worker_paths import WorkerPath


@attrs.frozen(kw_only=True)
class NodeLimits:
    """What a session's settings say of work on nodes beside the command.

    Attributes:
        scratch_dir: a folder on the node's own disk; empty: the usual one.
        setup_once_timeout: seconds that a job waits for another one's `setup_once`.
        cleanup_timeout: seconds that `cleanup` may take.
        checkpoint_exit_code: by which a job that checkpoints wants to be run again.
    """

    scratch_dir: str = ""
    setup_once_timeout: int = 1800
    cleanup_timeout: int = 60
    checkpoint_exit_code: int = 85


@attrs.frozen(kw_only=True)
class JobLayout:
    """All of a job but its command, resolved: paths absolute, contributions composed.

    Attributes:
        filled: `{index}` was filled in, and stands for itself.
        workdir: may hold `{index}`; it is made then.
        make_workdir: it is made in any case.
        stdin, stdout, stderr, output_dir: may begin with `RUN_FOLDER`; the first with `OWN_FOLDER`.
        inherit: variables set before `env_script`.
        env: variables set after it.
        setup: lines run after that.
        wrap: words before the command; empty: no wrapper.
        inputs: sources and where they go, relative to the working folder.
        copy: inputs are copied, not linked.
        own_copies: inputs are copied, and what an earlier attempt left of a copy is replaced.
        outputs: glob patterns.
        optional_outputs: glob patterns that may match nothing.
        whole: outputs are brought only after a command that has succeeded.
        transferred: the batch system moves the job's files.
        fetched: the names of inputs that it fetches from addresses.
        checkpoint: its command may want to be run again.
        scratch: it works in a folder of its own on the node's disk.
        setup_once: lines that one job of the run runs on a node.
        cleanup: lines that are run at the end.
        node: where folders on nodes are, and how long the latter two may take.
    """

    workdir: str
    filled: bool = False
    make_workdir: bool = False
    inherit: Mapping[str, str] = attrs.field(factory=dict)
    env_script: str = ""
    env: Mapping[str, str] = attrs.field(factory=dict)
    setup: tuple[str, ...] = ()
    wrapper: tuple[str | WorkerPath, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    copy: bool = False
    own_copies: bool = False
    outputs: tuple[str, ...] = ()
    optional_outputs: tuple[str, ...] = ()
    output_dir: str = ""
    whole: bool = False
    transferred: bool = False
    fetched: tuple[str, ...] = ()
    checkpoint: bool = False
    scratch: bool = False
    setup_once: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    node: NodeLimits = attrs.field(factory=NodeLimits)
    stdin: str = "/dev/null"
    stdout: str = ""
    stderr: str = ""
