"""Calls that are given up when they hang: a plugin's fault must not stop the program."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.host import Host

T = TypeVar("T")

PATIENCE = 60.0  #: seconds without an answer in which no command ran
_LOOK = 1.0  #: seconds; how often it is looked whether a command runs


class NoAnswerError(Exception):
    """A call was given up."""


class _Caller:
    """A thread that makes one call after the other."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="anybatch-hook", daemon=True).start()

    def _work(self) -> None:
        while (given := self.calls.get()) is not None:
            call, answers = given
            try:
                answer = (True, call())
            except BaseException as error:  # SystemExit of a library that reads arguments, too
                answer = (False, error)
            answers.put(answer)
            del given, call, answers, answer  # nothing is kept alive until the next call


class Guard:
    """Makes calls in threads of its own and waits for them as long as something happens.

    A command has a time limit of its own. So only the time counts in which none runs.

    Args:
        host: tells whether a command runs.
        patience: seconds.
    """

    def __init__(self, host: Host, patience: float = PATIENCE) -> None:
        self._host = host
        self._patience = patience
        self._idle: list[_Caller] = []

    def call(self, function: Callable[[], T]) -> T:
        """The answer of *function*.

        Raises:
            NoAnswerError: it did not come.
            BaseException: what *function* raised.
        """
        try:
            caller = self._idle.pop()
        except IndexError:
            caller = _Caller()
        answers: SimpleQueue[Any] = SimpleQueue()
        caller.calls.put((function, answers))
        fine, answer = self._await(answers)
        self._idle.append(caller)  # one that hangs is left alone
        if not fine:
            raise answer
        return answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the threads that wait for the next call."""
        while self._idle:
            self._idle.pop().calls.put(None)

    def _await(self, answers: SimpleQueue[Any]) -> tuple[bool, Any]:
        quiet_since = time.monotonic()
        while True:
            try:
                return answers.get(timeout=_LOOK)  # type: ignore[no-any-return]
            except Empty:
                now = time.monotonic()
                if self._host.busy:
                    quiet_since = now
                elif now - quiet_since > self._patience:
                    raise NoAnswerError(f"no answer for {self._patience:g} s") from None
