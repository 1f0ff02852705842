"""What every user of our cluster gets without asking."""

from anybatch import hookimpl
from anybatch.records import Environment, SiteDefault


@hookimpl
def anybatch_settings() -> list[SiteDefault]:
    return [
        SiteDefault("system", "slurm"),
        SiteDefault("slurm.partition", "short"),
        SiteDefault("slurm.skip", ["mem"]),  # our Slurm allocates whole nodes
        SiteDefault("poll_interval", "30s"),
    ]


@hookimpl
def anybatch_environment() -> Environment:
    return Environment(env={"HTTPS_PROXY": "http://proxy.example.org:3128"})
