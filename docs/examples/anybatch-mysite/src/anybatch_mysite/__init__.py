"""What every user of our cluster gets without asking."""

from anybatch import hookimpl
from anybatch.records import Environment, SiteDefault


@hookimpl
def anybatch_settings():
    return [
        SiteDefault("system", "slurm"),
        SiteDefault("slurm.partition", "short"),
        SiteDefault("slurm.skip", ["mem"]),  # our Slurm hands out whole nodes
        SiteDefault("poll_interval", "30s"),
    ]


@hookimpl
def anybatch_environment():
    return Environment(env={"HTTPS_PROXY": "http://proxy.example.org:3128"})
