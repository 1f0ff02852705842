"""How urgent jobs are: one number for all batch systems, and how to make their numbers of it."""

from __future__ import annotations

from anybatch.errors import shown

#: A job's urgency is -MOST to MOST. 0 is usual, and more comes sooner.
MOST = 100


def problem_of(urgency: object) -> str:
    """What is wrong with an urgency; empty: nothing."""
    whole = isinstance(urgency, int) and not isinstance(urgency, bool)
    if whole and -MOST <= urgency <= MOST:  # type: ignore[operator]
        return ""
    return f"urgency must be a whole number, {-MOST} to {MOST}: {shown(urgency)}"


def scaled(urgency: int, *, least: int, usual: int, most: int) -> int:
    """An urgency on a batch system's own scale, on which a greater number comes sooner.

    0 becomes *usual*, -100 *least* and 100 *most*. It never falls as the urgency grows, and no
    other urgency becomes *usual* where there is another number on that side.

    Args:
        least, usual, most: of the scale, in this order.

    Example:
        scaled(20, least=1, usual=50, most=100)  # 60
    """
    if urgency >= 0:
        return usual + -(-(most - usual) * urgency // MOST)
    return usual - -(-(usual - least) * -urgency // MOST)
