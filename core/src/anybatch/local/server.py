"""The supervisor as a process: its lock, its socket, its signals, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anybatch.local import service
from anybatch.local.detach import become_subreaper, use_all_cores
from anybatch.local.journal import Journal
from anybatch.local.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch.local.folder import StateFolder

_TICK = 0.25


def serve(folder: StateFolder, idle: float, ready: int | None = None) -> None:
    """Be the supervisor until *idle* seconds have passed without jobs and questions.

    Returns at once where there is a supervisor already.

    Args:
        ready: a descriptor that gets a byte when it serves.
    """
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)  # let go of by our end alone
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    os.chdir("/")
    become_subreaper()
    use_all_cores()
    with contextlib.closing(Journal(folder.journal)) as journal:
        asyncio.run(_Server(folder, Supervisor(folder, journal)).run(idle, ready))


class _Server:
    def __init__(self, folder: StateFolder, supervisor: Supervisor) -> None:
        self._folder = folder
        self._supervisor = supervisor
        self._last_use = time.monotonic()

    async def run(self, idle: float, ready: int | None) -> None:
        """Serve. An error that nobody foresaw ends it; jobs run on, the next one takes over."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(lambda _, context: _fail(failed, context))
        self._supervisor.recover()
        loop.add_signal_handler(signal.SIGCHLD, self._child_ended)
        with _listening(self._folder) as listener:
            await loop.create_unix_server(lambda: _Connection(self._answer), sock=listener)
            if ready is not None:
                os.write(ready, b"1")
                os.close(ready)
            while self._tick() < idle:
                await asyncio.wait([failed], timeout=_TICK)
                if failed.done():
                    failed.result()

    def _tick(self) -> float:
        """Do what time brings; for how many seconds nobody has needed us."""
        self._supervisor.tick()
        self._supervisor.start_jobs()
        if self._supervisor.table.unfinished:
            self._last_use = time.monotonic()
        return time.monotonic() - self._last_use

    def _child_ended(self) -> None:
        self._supervisor.reap()
        self._supervisor.start_jobs()

    def _answer(self, question: bytes) -> bytes:
        self._last_use = time.monotonic()
        answer = service.reply(self._supervisor, question)
        asyncio.get_running_loop().call_soon(self._supervisor.start_jobs)
        return answer


@contextlib.contextmanager
def _listening(folder: StateFolder) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener, folder.socket_path() as path:
        Path(path).unlink(missing_ok=True)
        listener.bind(path)
        listener.listen(128)
        yield listener
        Path(path).unlink(missing_ok=True)


def _fail(failed: asyncio.Future[None], context: dict[str, Any]) -> None:
    if not failed.done():
        failed.set_exception(context.get("exception") or RuntimeError(context["message"]))


class _Connection(asyncio.Protocol):
    """One question, ended by the client's shutdown, and its answer."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._question = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._question += data

    def eof_received(self) -> bool:
        # Not here and now: asyncio would hide an OSError of ours, taking it for the socket's.
        asyncio.get_running_loop().call_soon(self._reply)
        return True

    def _reply(self) -> None:
        self._transport.write(self._answer(bytes(self._question)))
        self._transport.close()
