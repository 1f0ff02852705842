"""`Project`: what the settings of a submission say of the project that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(kw_only=True)
class Project:
    """A project, and what is to be done when its jobs have ended.

    Attributes:
        name: on the grid.
        user: on the grid.
        dataset: where its outputs are on the grid.
        setup_path, proxy_group: of the grid client.
        proxy_lifetime, min_proxy_lifetime: in hours.
        download_to: the folder that its outputs go to; empty: they stay on the grid.
        download_params: further words for gb2_ds_get.
        logs: whether logs are downloaded.
        counts: whether the states of its jobs are counted for people.
    """

    name: str
    user: str
    dataset: str
    setup_path: str
    proxy_group: str
    proxy_lifetime: int = 24
    min_proxy_lifetime: int = 0
    download_to: str = ""
    download_params: str = ""
    logs: bool = False
    counts: bool = True

    @property
    def target(self) -> Path:
        """The folder of its outputs here."""
        return Path(self.download_to) / self.name


def project_of(settings: Mapping[str, Any]) -> Project:
    """The project of a job's settings."""
    name, user = settings["project_name"], settings["user"]
    above = settings["project_lpn_path"] or f"/belle/user/{user}"
    return Project(
        name=name,
        user=user,
        dataset=f"{above.rstrip('/')}/{name}",
        setup_path=settings["setup_path"],
        proxy_group=settings["proxy_group"],
        proxy_lifetime=settings["proxy_lifetime"],
        min_proxy_lifetime=settings["min_proxy_lifetime"],
        download_to=settings["download_to"] if settings["download_dataset"] else "",
        download_params=settings["additional_download_params"] or "",
        logs=settings["download_logs"],
        counts=settings["print_status_updates"],
    )
