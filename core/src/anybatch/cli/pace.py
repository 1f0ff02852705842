"""How fast jobs end, and how long the rest will take."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

LOOKS_BACK = 60.0  #: seconds
ENOUGH = 5  #: ends by which a rate is known
_STEP = LOOKS_BACK / 60  #: seconds between two samples that are kept
_LONGEST = 365 * 86_400.0  #: seconds; what takes longer is not known


class Pace:
    """The rate at which jobs ended lately: over the last minute, or since the last five ends."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, ended: int, now: float) -> None:
        """So many jobs had ended at this time, in seconds."""
        samples = self._samples
        if samples and ended < samples[-1][1]:
            samples.clear()  # jobs are run again
        if samples and len(samples) > 1 and now - samples[-2][0] < _STEP:
            samples[-1] = (now, ended)
        else:
            samples.append((now, ended))
        while len(samples) > 2 and self._is_old(samples[1], now, ended):
            samples.popleft()

    @staticmethod
    def _is_old(sample: tuple[float, int], now: float, ended: int) -> bool:
        return now - sample[0] > LOOKS_BACK and ended - sample[1] >= ENOUGH

    @property
    def rate(self) -> float | None:
        """Ends in a second; None: there were too few."""
        if not self._samples:
            return None
        (begin, before), (now, ended) = self._samples[0], self._samples[-1]
        if ended - before < ENOUGH or now <= begin:
            return None
        return (ended - before) / (now - begin)

    def left(self, jobs: int) -> timedelta | None:
        """How long so many jobs will take; None: not known."""
        rate = self.rate
        if not rate or not jobs or jobs / rate > _LONGEST:
            return None
        return timedelta(seconds=jobs / rate)
