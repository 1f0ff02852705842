"""The client's side: one question to the supervisor, which is started when there is none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from anybatch.errors import AnybatchError
from anybatch.local.detach import scrubbed
from anybatch.localhost import LocalHost

if TYPE_CHECKING:
    from anybatch.local.folder import StateFolder

_PATIENCE = 40.0
_PAUSE = 0.01
_BETWEEN_STARTS = 0.3


def ask(folder: StateFolder, question: dict[str, Any]) -> str:
    """The supervisor's answer: a line of JSON.

    Asked again when the supervisor ends before it has answered; so a question must do no harm
    when it is asked twice.

    Raises:
        UnsuitableFolder: no supervisor can ever work in the folder.
        AnybatchError: there is no supervisor and none can be started, or it says why not.
    """
    request = json.dumps(question).encode()
    starter = _Starter(folder)
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        try:
            answer = _exchange(folder, request).decode()
        except (FileNotFoundError, ConnectionError):
            starter.start()
            time.sleep(_PAUSE)
        else:
            return _checked(answer)
    raise AnybatchError(f"the supervisor of local jobs does not answer (log: {folder.log})")


def _exchange(folder: StateFolder, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection, folder.socket_path() as path:
        connection.connect(path)
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            answer = file.read()
    if not answer.endswith(b"\n"):
        raise ConnectionResetError("the supervisor ended in the middle of its answer")
    return answer


def _checked(answer: str) -> str:
    if answer.startswith('{"error":'):  # not parsed otherwise: it may be long
        raise AnybatchError(json.loads(answer)["error"])
    return answer


class _Starter:
    """Starts a supervisor, detached, every now and then until one answers.

    Of several that are started at the same time all but one end at once, with status 0.
    """

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0

    def start(self) -> None:
        if self._process and (self._process.poll() or 0) > 0:
            said = self._folder.log_tail()
            raise AnybatchError(f"the supervisor of local jobs cannot start: {said}")
        if time.monotonic() < self._next or (self._process and self._process.poll() is None):
            return
        if self._process is None:
            self._folder.check()
        self._next = time.monotonic() + _BETWEEN_STARTS
        with self._folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "anybatch.local", "serve", "--detach"),
                env=scrubbed(LocalHost().environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",  # where nobody else has put modules
                start_new_session=True,
            )
