"""A plugin of pytest: the tests that notice most come first, and none waits for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.testing import SystemContract

if TYPE_CHECKING:
    import pytest

PATIENCE = 90  #: seconds; more than a request may be late on any system here, which is waited for
FIRST = ("anybatch.testing.answers", "anybatch.testing.requests")

for part in SystemContract.__mro__:
    if "patience" in vars(part):
        part.patience = PATIENCE  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that look at hooks alone, before the others."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    module = getattr(item, "function", item).__module__
    return FIRST.index(module) if module in FIRST else len(FIRST)
