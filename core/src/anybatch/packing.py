"""Packs: several jobs of a run as one job of the batch system.

Sites forbid arrays of jobs of ten seconds; packed they are jobs of a sensible length. Each job of a
pack keeps its index, its logs, its records, its verdict and its retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from anybatch.errors import JobError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.model import Resources

_T = TypeVar("_T")
_MOST = 1_000_000  #: jobs of a pack


def _positive(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise JobError(f"pack: {attribute.name} must be a whole number, 1 or more: {shown(value)}")


@attrs.frozen
class Pack:
    """How jobs are packed.

    Attributes:
        jobs: how many jobs of the run are one job of the batch system, at most.
        side_by_side: how many of them run at once. The batch system is asked for as many times the
            cores, GPUs, memory and disk of a job. The time limit is that of the whole pack.

    Raises:
        JobError: a number is less than 1.
    """

    jobs: int = attrs.field(default=1, validator=_positive)
    side_by_side: int = attrs.field(default=1, validator=_positive)

    def count(self, jobs: int) -> int:
        """How many packs so many jobs are."""
        return -(-jobs // self.jobs)

    def spread(self, of_packs: Sequence[_T], jobs: int) -> list[_T]:
        """What each of so many jobs has of its pack, in order."""
        return [of_packs[position // self.jobs] for position in range(jobs)]

    def mates(self, jobs: Sequence[int], place: int) -> Sequence[int]:
        """Those of *jobs* that share a pack with the one at *place*, which is among them."""
        first = place - place % self.jobs
        return jobs[first : first + self.jobs]

    def facts(self, jobs: int) -> dict[str, Any]:
        """What a submission of so many jobs tells of its packs: fields of `Submission`."""
        packed = {"pack": self.jobs, "members": jobs} if self.jobs > 1 else {}
        return {"count": self.count(jobs), **packed}

    def scaled(self, resources: Resources, *, moved: bool = False) -> Resources:
        """What the batch system is asked for, where each job asks for *resources*.

        Args:
            moved: the batch system moves files: those of all its jobs are on its disk at once.

        Raises:
            JobError: jobs of several processes or nodes cannot run side by side.
        """
        times = self.side_by_side
        if moved and resources.disk:
            resources = attrs.evolve(resources, disk=-(-self.jobs * resources.disk // times))
        if times == 1:
            return resources
        if resources.nodes > 1 or resources.tasks > 1:
            raise JobError(
                f"jobs with {resources.describe()} cannot run side by side in a pack; leave "
                f"side_by_side at 1"
            )
        return attrs.evolve(
            resources,
            cores=times * resources.cores,
            gpus=times * resources.gpus,
            memory=resources.memory and times * resources.memory,
            disk=resources.disk and times * resources.disk,
        )

    def of_one(self, resources: Resources, *, moved: bool = False) -> Resources:
        """What each job asks for, where the batch system is asked for *resources*; see `scaled`."""
        times = self.side_by_side
        if moved and resources.disk:
            resources = attrs.evolve(resources, disk=times * (resources.disk // self.jobs))
        return attrs.evolve(
            resources,
            cores=resources.cores // times,
            gpus=resources.gpus // times,
            memory=resources.memory and resources.memory // times,
            disk=resources.disk and resources.disk // times,
        )


def read_pack(value: Pack | int | None) -> Pack:
    """A pack as it may be given: itself, or the number of its jobs; None: none.

    Raises:
        JobError: it is neither.
    """
    if value is None:
        return Pack()
    return value if isinstance(value, Pack) else Pack(value)
