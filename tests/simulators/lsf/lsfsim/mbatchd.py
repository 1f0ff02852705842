"""The daemon: takes requests and looks after a cluster until it is idle."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from lsfsim import commands
from lsfsim.cluster import Cluster

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what a job leaves behind stays below the daemon
_LOOK = 0.2  # seconds between looks at limits and signals that are due


class Daemon:
    """Serves one cluster until it is idle, or told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asked = time.monotonic()
        self._stop = asyncio.Event()

    async def serve(self, listening: socket.socket) -> None:
        """Answer requests and watch jobs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._cluster.reap)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        server = await asyncio.start_unix_server(self._answer, sock=listening, limit=2**26)
        os.write(1, b"+")  # whoever has started it waits for this
        os.close(1)
        async with server:
            while not self._stop.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _LOOK)
                self._cluster.look()
                idle = time.monotonic() - self._asked > self._cluster.settings["idle"]
                if idle and not self._cluster.busy:
                    break
            self._cluster.stop()
            self._cluster.keep()  # before another daemon can begin

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._asked = time.monotonic()
        with contextlib.suppress(ConnectionError, ValueError):
            request = json.loads(await reader.readline())
            rc, out, err = commands.run(self._cluster, request)
            writer.write(json.dumps({"rc": rc, "out": out, "err": err}).encode() + b"\n")
            await writer.drain()
        writer.close()


def main(folder: str) -> None:
    """Run the daemon of a cluster, unless one does."""
    found = os.stat(folder)
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(f"\0lsfsim-{found.st_dev}-{found.st_ino}")
    except OSError:
        sys.exit(0)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    (Path(folder) / "mbatchd.pid").write_text(str(os.getpid()))
    cluster = Cluster(Path(folder))

    async def serve() -> None:
        await Daemon(cluster).serve(listening)

    asyncio.run(serve())
