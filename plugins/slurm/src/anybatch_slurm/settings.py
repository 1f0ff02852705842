"""The settings of the Slurm plugin: every long option of sbatch, by its own name."""

from __future__ import annotations

from anybatch.records import Kind, Setting

MANUAL = "https://slurm.schedmd.com/sbatch.html"

#: Long options of `sbatch` from 20.11 to 26.05 that a user may set.
OPTIONS = (
    *("account", "acctg-freq", "batch", "bb", "bbf", "begin", "cluster-constraint"),
    *("clusters", "comment", "consolidate-segments", "constraint", "container", "container-id"),
    *("contiguous", "core-spec", "cores-per-socket", "cpu-freq", "cpus-per-gpu"),
    *("cpus-per-task", "deadline", "delay-boot", "distribution", "exclude", "exclusive"),
    *("export", "export-file", "external-launcher", "extra", "extra-node-info", "get-user-env"),
    *("gid", "gpu-bind", "gpu-freq", "gpus", "gpus-per-node", "gpus-per-socket"),
    *("gpus-per-task", "gres", "gres-flags", "hint", "hold", "ignore-pbs", "job-name"),
    *("kill-on-invalid-dep", "licenses", "mail-type", "mail-user", "mcs-label", "mem"),
    *("mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network", "nice", "no-kill"),
    *("no-requeue", "nodefile", "nodelist", "nodes", "ntasks", "ntasks-per-core"),
    *("ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket", "oom-kill-step"),
    *("overcommit", "oversubscribe", "partition", "power", "prefer"),
    *("priority", "profile", "propagate", "qos", "reboot", "requeue", "reservation"),
    *("resv-ports", "segment", "signal", "sockets-per-node", "spread-job", "spread-segments"),
    *("stepmgr", "switches", "thread-spec", "threads-per-core", "time", "time-min", "tmp"),
    *("tres-bind", "tres-per-job", "tres-per-task", "uid", "use-min-nodes", "wait-all-nodes"),
    "wckey",
)

#: Options that are another word for what a job asks for.
SAME = {
    "container": "container",
    "cpus-per-task": "cores",
    "exclusive": "exclusive",
    "gpus-per-task": "gpus",
    "job-name": "name",
    "nodes": "nodes",
    "ntasks": "tasks",
    "partition": "queue",
}
#: Options that tell something of what a job asks for: with both, sbatch refuses the job, or one
#: is left out without a word. Those that only place tasks and cores (`ntasks-per-node`) are none.
OVERLAPS = {
    "cpus-per-gpu": {"cores": ""},
    "gpus": {"gpus": ""},
    "gpus-per-node": {"gpus": ""},
    "gpus-per-socket": {"gpus": ""},
    "gres": {"gpus": r"[=,:/]gpu"},
    "mem": {"memory": ""},
    "mem-per-cpu": {"memory": ""},
    "mem-per-gpu": {"memory": ""},
    "nice": {"urgency": ""},
    "ntasks-per-gpu": {"gpus": ""},
    "oversubscribe": {"exclusive": ""},
    "priority": {"urgency": ""},
    "time": {"time": ""},
    "tmp": {"disk": ""},
    "tres-per-job": {"cores": r"\bcpu\b", "gpus": r"\bgpu\b", "memory": r"\bmem\b"},
    "tres-per-task": {"cores": r"\bcpu\b", "gpus": r"\bgpu\b", "memory": r"\bmem\b"},
}

#: Long options that anybatch itself needs, and what to use instead.
MANAGED = {
    "array": "submit several jobs",
    "chdir": "use the job's workdir",
    "dependency": "use the job's `after`",
    "error": "use the job's stderr",
    "input": "use the job's stdin",
    "output": "use the job's stdout",
}

SETTINGS = (
    *(
        Setting(
            name=name,
            kind=Kind.OPTION,
            help=f"`sbatch --{name}`; see {MANUAL}.",
            same_as=SAME.get(name, ""),
            overlaps=OVERLAPS.get(name, {}),
        )
        for name in OPTIONS
    ),
    *(Setting(name=name, replaced_by=instead) for name, instead in MANAGED.items()),
    Setting(
        name="max_array",
        kind=Kind.INTEGER,
        help="Maximum number of jobs in one array (default: the limit of the cluster, "
        "MaxArraySize).",
    ),
    Setting(
        name="skip",
        kind=Kind.LIST,
        default=(),
        help="Options that are never passed to sbatch, for example because the site refuses them: "
        '`skip = ["mem"]`.',
    ),
)
