"""Which options of batch systems speak of what a job asks for: refused with it, or joined."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job, Resources
from anybatch.settings.contradictions import settled
from anybatch.settings.layers import Settings, checked_layer
from anybatch.settings.schema import SettingsSchema

#: Of each field that options speak of: what a job asks for, and options that say something else.
SPOKEN_OF: dict[str, dict[str, tuple[Any, list[dict[str, Any]]]]] = {
    "slurm": {
        "nodes": (2, [{"nodes": 3}, {"nodes": "1-4"}]),
        "tasks": (4, [{"ntasks": 8}]),
        "cores": (
            *(4,),
            [
                *({"cpus-per-task": 2}, {"cpus-per-gpu": 4}, {"tres-per-task": "cpu:2"}),
                {"tres-per-task": "gres/gpu:1,cpu=2"},
            ],
        ),
        "gpus": (
            *(2,),
            [
                *({"gpus": 2}, {"gpus-per-node": 2}, {"gpus-per-task": 1}, {"gpus-per-socket": 1}),
                *({"gres": "gpu:a100:2"}, {"gres": "lustre,gpu"}, {"gres": "gres:gpu:2"}),
                *({"ntasks-per-gpu": 1}, {"tres-per-job": "gres/gpu:8"}),
            ],
        ),
        "memory": ("2 GiB", [{"mem": "2G"}, {"mem-per-cpu": "1G"}, {"mem_per_gpu": "1G"}]),
        "disk": ("1 GB", [{"tmp": "2G"}]),
        "time": ("1h", [{"time": "1:00:00"}, {"TIME": 60}]),
        "queue": ("short", [{"partition": "long"}, {"partition": "short,long"}]),
        "exclusive": (True, [{"exclusive": "user"}, {"oversubscribe": True}]),
    },
    "lsf": {
        "nodes": (2, [{"R": "span[hosts=1]"}, {"hostfile": "hosts"}]),
        "tasks": (4, [{"n": 4}, {"job_slots": 2}, {"R": "2*{span[hosts=1]}+1*{select[big]}"}]),
        "cores": (4, [{"n": 2}, {"job_slots": "2,8"}]),
        "gpus": (1, [{"gpu": "num=2"}]),
        "memory": (
            *("2 GiB",),
            [
                *({"M": 100}, {"memory_limit": "1GB"}, {"R": "select[mem>5] rusage [mem=1]"}),
                {"resource_requirement": "rusage[licence=1]"},
            ],
        ),
        "disk": ("1 GB", [{"R": "rusage[tmp=5]"}]),
        "time": ("1h", [{"W": "1:00"}, {"run_limit": 60}]),
        "queue": ("short", [{"q": "long"}, {"queue": "long short"}]),
    },
    "htcondor": {
        "tasks": (4, [{"request_cpus": 4}, {"+RequestCpus": 4}]),
        "cores": (4, [{"request_cpus": 2}, {"MY.requestcpus": 4}]),
        "gpus": (1, [{"request_gpus": 2}, {"+RequestGPUs": 2}]),
        "memory": ("2 GiB", [{"request_memory": 2048}, {"+RequestMemory": 100}]),
        "disk": ("1 GB", [{"request_disk": "1GB"}, {"MY.RequestDisk": 100}]),
        "time": (
            *("1h",),
            [
                *({"allowed_execute_duration": 60}, {"+MaxRuntime": 60}, {"MY.maxruntime": 60}),
                {"+JobFlavour": '"longlunch"'},
            ],
        ),
    },
}
NAMES = {"slurm": "job-name", "lsf": "job_name", "htcondor": "batch_name"}
FINE = [
    ("slurm", {"ntasks-per-node": 2, "nodelist": "n[1-2]"}, Resources(nodes=2, tasks=4)),
    ("slurm", {"gres": "craynetwork:1", "gpu-bind": "closest"}, Resources(gpus=1)),
    ("slurm", {"time-min": "30:00", "deadline": "now+1day"}, Resources(time="1h")),
    ("slurm", {"partition": "short", "cpus-per-task": 4}, Resources(queue="short", cores=4)),
    ("slurm", {"mem-per-cpu": "2G"}, Resources(cores=4, time="1h")),
    ("slurm", {"exclusive": True}, Resources(exclusive=True)),
    ("lsf", {"R": "select[mem>500] order[ut]"}, Resources(memory="1 GB", cores=2, nodes=2)),
    ("lsf", {"R": "span[ptile=2]"}, Resources(tasks=8)),
    ("lsf", {"n": 4, "q": "short"}, Resources(cores=4, queue="short")),
    ("lsf", {"We": "0:30", "c": 60}, Resources(time="1h")),
    ("htcondor", {"request_cpus": 4, "request_gpus": "1"}, Resources(cores=4, gpus=1)),
    ("htcondor", {"+MaxRuntimeIsMine": 1, "+ProjectName": '"x"'}, Resources(time="1h")),
    ("htcondor", {"allowed_job_duration": 60, "image_size": 5}, Resources(time="1h", disk="1 GB")),
]


def settled_for(plugin: str, own: dict[str, Any], job: Job) -> dict[str, Any]:
    """The settings of a plugin for a job, some of them set by its user."""
    declared = {plugin: SettingsSchema(import_module(f"anybatch_{plugin}.settings").SETTINGS)}
    layer = checked_layer(declared, "environment", {plugin: own})
    return settled(plugin, Settings(declared, [layer]), job)


@pytest.mark.parametrize(
    ("plugin", "field", "wanted", "own"),
    [
        (plugin, field, wanted, own)
        for plugin, fields in SPOKEN_OF.items()
        for field, (wanted, owns) in fields.items()
        for own in owns
    ],
)
def test_an_option_beside_what_it_speaks_of(
    plugin: str, field: str, wanted: Any, own: dict[str, Any]
) -> None:
    """The field, the setting and its source are named; each alone is taken."""
    job = Job(["true"], resources=Resources(**{field: wanted}))
    with pytest.raises(JobError) as caught:
        settled_for(plugin, own, job)
    assert f"the job asks for {field} = " in str(caught.value)
    assert "(from environment)" in str(caught.value)
    settled_for(plugin, own, Job(["true"]))
    settled_for(plugin, {}, job)


@pytest.mark.parametrize(("plugin", "own", "resources"), FINE)
def test_an_option_that_says_something_else(
    plugin: str, own: dict[str, Any], resources: Resources
) -> None:
    """It is taken beside what the job asks for."""
    got = settled_for(plugin, own, Job(["true"], resources=resources))
    assert {name: got[name] for name in own} == own


@pytest.mark.parametrize("plugin", sorted(NAMES))
def test_two_names(plugin: str) -> None:
    """A job has one name, of its own or of the setting."""
    own = {NAMES[plugin]: "fit"}
    settled_for(plugin, own, Job(["true"]))
    settled_for(plugin, own, Job(["true"], name="fit"))
    with pytest.raises(JobError, match="asks for name = other"):
        settled_for(plugin, own, Job(["true"], name="other"))
