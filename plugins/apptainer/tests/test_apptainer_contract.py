"""The contract, every job in a container: on this machine and on Slurm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anybatch import Job, Resources
from anybatch.testing import SystemContract, awkward_texts, file_names
from anybatch.testing.contract import REAL_JOBS
from anybatch_apptainer.render import NO_BIND
from hypothesis import given
from hypothesis import strategies as st

from .conftest import PYTHON_INSIDE, slurm_configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch import Session

NAMES = file_names().filter(lambda name: not NO_BIND.search(name))


class InContainers(SystemContract):
    """Everything that a batch system must do is done in a container."""

    @pytest.fixture(autouse=True)
    def _in_busybox(self, configure: Callable[..., None]) -> None:
        configure(mounts=[*PYTHON_INSIDE])

    # The working folder is bound, and some names no bind can hold; their jobs are refused.
    @REAL_JOBS
    @given(st.lists(st.tuples(awkward_texts(), NAMES), min_size=3, max_size=8))
    def test_values_and_names_arrive_byte_for_byte(
        self, session: Session, pairs: list[tuple[str, str]]
    ) -> None:
        """Values of the environment, names of working folders, logs and jobs stay as they are."""
        everywhere = SystemContract.test_values_and_names_arrive_byte_for_byte
        everywhere.hypothesis.inner_test(self, session, pairs)  # type: ignore[attr-defined]


class TestApptainer(InContainers):
    """On this machine, by the plugin's own name."""

    system = "apptainer"
    refused = Job(["true"], resources=Resources(cores=100_000))
    ignored = frozenset({"disk", "queue"})


class TestSlurmInContainers(InContainers):
    """On Slurm, whose jobs have an image."""

    system = "slurm"

    @pytest.fixture(autouse=True)
    def _on_slurm(self, apptainer: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SLURM_CONF", slurm_configuration())
