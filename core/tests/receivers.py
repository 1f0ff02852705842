"""Those who are told: a web service and a mail server on this machine, and programs on the PATH."""

from __future__ import annotations

import contextlib
import json
import queue
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 60  #: seconds that something is waited for


class WebService:
    """A web service that keeps what it was sent.

    Attributes:
        answer: the status of its answers; 0: it answers nothing until it is closed.
        requests: what came: method, path, headers and body.
        url: its address, with a secret in it.
    """

    def __init__(self) -> None:
        self.answer = 200
        self.requests: queue.Queue[tuple[str, str, dict[str, str], Any]] = queue.Queue()
        self.closing = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = json.loads(body)
                service.requests.put((self.command, self.path, dict(self.headers), told))
                if not service.answer:
                    service.closing.wait(PATIENCE)
                    return
                self.send_response(service.answer, "because\tof reasons")
                if 300 <= service.answer < 400:
                    self.send_header("Location", f"{service.url}/elsewhere")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/T0K3N?key=T0K3N"

    def take(self) -> dict[str, Any]:
        """What it was told next."""
        return dict(self.requests.get(timeout=PATIENCE)[3])


@contextlib.contextmanager
def web_service() -> Iterator[WebService]:
    """A web service that runs."""
    service = WebService()
    with running(service.server):
        yield service
        service.closing.set()


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    """A server that answers, inside."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class MailServer(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it was sent (RFC 5321, as far as `smtplib` needs it).

    Attributes:
        context: for STARTTLS; None: it does not know that.
        refuses: answers each receiver with an error.
        said: the commands that came, and each mail as one text.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.context = context
        self.refuses = False
        self.said: queue.Queue[str] = queue.Queue()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def heard(self) -> list[str]:
        """All that has come."""
        return [self.said.get() for _ in range(self.said.qsize())]


class _Smtp(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.answer("220 here")
        while line := self.rfile.readline().decode().strip():
            self.server.said.put(line)
            word = line.split()[0].upper()
            if word == "EHLO":
                secure = isinstance(self.connection, ssl.SSLSocket)
                extensions = "AUTH PLAIN" if secure or not self.server.context else "STARTTLS"
                self.answer(f"250-here\r\n250 {extensions}")
            elif word == "STARTTLS" and self.server.context:
                self.answer("220 go ahead")
                if not self.secure(self.server.context):
                    return
            elif word == "RCPT" and self.server.refuses:
                self.answer("550 no such\x1b user")
            elif word == "DATA":
                self.answer("354 go ahead")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.said.put(b"".join(lines).decode())
                self.answer("250 taken")
            elif word == "QUIT":
                self.answer("221 bye")
                return
            else:
                self.answer("235 in" if word == "AUTH" else "250 well")

    def answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def secure(self, context: ssl.SSLContext) -> bool:
        """Whether the other side believes us."""
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:
            return False
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        return True

    def finish(self) -> None:
        super().finish()
        self.connection.close()


def put_program(folder: Path, name: str, text: str) -> Path:
    """A program of `sh` in a folder."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program
