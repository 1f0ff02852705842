"""The settings of the LSF plugin: every option of bsub by its own letters, some by name."""

from __future__ import annotations

from datetime import timedelta

from anybatch.records import Kind, Setting

MANUAL = "https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=bsub-options"

#: Options of `bsub` up to LSF 10.1 that a user may set.
OPTIONS = (
    *("a", "app", "ar", "B", "b", "C", "c", "clusters", "cn_cu", "cn_mem", "core_isolation"),
    *("csm", "D", "data", "datachk", "datagrp", "E", "Ep", "eptl", "ext", "F", "freq", "G"),
    *("g", "gpu", "H", "hl", "hostfile", "J", "Jd", "jobaff", "jsm", "k", "Lp", "ln_mem"),
    *("ln_slots", "M", "m", "mig", "N", "n", "Ne", "network", "nnodes", "notify", "outdir"),
    *("P", "p", "ptl", "q", "R", "r", "rn", "rnc", "S", "s", "sla", "smt", "sp", "stage"),
    *("step_cgroup", "T", "t", "ti", "U", "u", "ul", "v", "W", "We", "wa", "wt", "x", "XF"),
)

#: Those that take no value. A value after one of them would be the command of the job.
FLAGS = frozenset(
    {"B", "H", "N", "Ne", "XF", "ar", "datachk", "hl", "r", "rn", "rnc", "ti", "ul", "x"},
)

#: Names of options that nobody should have to know by their letters.
NAMES = {
    "application": "app",
    "exclusive": "x",
    "hold": "H",
    "hosts": "m",
    "job_description": "Jd",
    "job_group": "g",
    "job_name": "J",
    "job_slots": "n",
    "memory_limit": "M",
    "priority": "sp",
    "project": "P",
    "queue": "q",
    "rerunnable": "r",
    "resource_requirement": "R",
    "run_limit": "W",
    "service_class": "sla",
    "user_group": "G",
}

#: Options that are another word for what a job asks for.
SAME = {"J": "name", "n": "cores", "q": "queue", "x": "exclusive"}
#: Options that tell something of what a job asks for. A requirement `R` is joined with that of the
#: job; of two sections of one name, or beside parts in braces, LSF takes one or none.
OVERLAPS = {
    "M": {"memory": ""},
    "R": {
        **dict.fromkeys(("memory", "disk"), r"\brusage\s*\[|[{}]"),
        "nodes": r"\bspan\s*\[|[{}]",
        **dict.fromkeys(("cores", "tasks"), r"[{}]"),
    },
    "W": {"time": ""},
    "gpu": {"gpus": ""},
    "hostfile": {"nodes": "", "cores": "", "tasks": ""},
    "n": {"tasks": ""},
    "nnodes": {"nodes": ""},
    "sp": {"urgency": ""},
}

#: Options that anybatch itself needs, and what to use instead.
MANAGED = {
    "cwd": "use the job's workdir",
    "e": "use the job's stderr",
    "env": "use the job's env, or the setting inherit_env",
    "eo": "use the job's stderr",
    "f": "use the job's inputs and outputs, and the setting lsf.transfer",
    "I": "a batch job has no terminal",
    "i": "use the job's stdin",
    "is": "use the job's stdin",
    "json": "use the settings themselves",
    "K": "use `anybatch run`",
    "L": "use the job's env_script",
    "o": "use the job's stdout",
    "oo": "use the job's stdout",
    "pack": "submit several jobs",
    "Q": "use the job's retry",
    "w": "use the job's `after`",
    "yaml": "use the settings themselves",
    "Zs": "the script is spooled anyway",
}


def _option(name: str, letters: str, help: str) -> Setting:
    return Setting(
        name=name,
        kind=Kind.OPTION,
        help=help,
        same_as=SAME.get(letters, ""),
        overlaps=OVERLAPS.get(letters, {}),
    )


SETTINGS = (
    *(_option(name, name, f"`bsub -{name}`; see {MANUAL}.") for name in OPTIONS),
    *(_option(name, letters, f"The same as `{letters}`.") for name, letters in NAMES.items()),
    *(Setting(name=name, replaced_by=instead) for name, instead in MANAGED.items()),
    Setting(
        name="max_array",
        kind=Kind.INTEGER,
        help="Maximum number of jobs in one array (default: the limit of the cluster, "
        "MAX_JOB_ARRAY_SIZE).",
    ),
    Setting(
        name="skip",
        kind=Kind.LIST,
        default=(),
        help="Options, by their letters, that are never passed to bsub; for example `skip "
        '= ["M"]`.',
    ),
    Setting(
        name="timeout",
        kind=Kind.DURATION,
        default=timedelta(minutes=1),
        help="Time limit for LSF commands other than bsub (for bsub: `submit_timeout`). They would "
        "wait forever if LSF is down.",
    ),
    Setting(
        name="transfer",
        choices=("shared", "lsf"),
        default="shared",
        help="How jobs get their files: `shared`: all machines share a file system; `lsf`: "
        "LSF copies "
        "them (`bsub -f`), and each job is a submission of its own.",
    ),
    Setting(
        name="transfer_patience",
        kind=Kind.DURATION,
        default=timedelta(minutes=1),
        help="If LSF copies files: time after a job's end without further files after which the "
        "missing ones are declared lost.",
    ),
    Setting(
        name="unit_for_limits",
        choices=("KB", "MB", "GB", "TB", "PB", "EB"),
        help="LSF_UNIT_FOR_LIMITS of the cluster. Required for jobs that request memory or "
        "disk, if "
        "neither lsf.conf nor `badmin` tells it.",
    ),
)
