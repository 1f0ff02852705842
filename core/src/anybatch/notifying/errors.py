"""Why somebody could not be told."""

from __future__ import annotations


class Undelivered(Exception):
    """Somebody was not told, as far as is known; its text holds no secret."""


def why(error: Exception) -> str:
    """What an error of the network says, without the address that it was about."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = getattr(error, "strerror", None)
    return str(said) if isinstance(said, str) and said else type(error).__name__
