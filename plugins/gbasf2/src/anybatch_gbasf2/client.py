"""The grid client: its environment, its commands, its proxy."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import CommandError, CommandFailed
from anybatch.host import Command

from anybatch_gbasf2 import parse, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anybatch.host import Completed, Host

HELPERS = Path(__file__).parent / "helpers"
#: The setup script is sourced with nothing of the caller's environment, and may print and ask.
#: NUL cannot be part of a value, so functions and values with line breaks come through.
_SOURCE = 'source "$1" -g "$2" >/dev/null 2>&1 </dev/null; exec env -0'
SETUP_TIME = timedelta(minutes=5)  #: the real script lies on a file system that fetches on demand
QUESTION_TIME = timedelta(minutes=5)
BELIEVED = 300.0  #: seconds that a proxy's remaining time is believed without asking anew
TRIES = 3  #: at the password
ANOTHER = 60.0  #: seconds by which a proxy that lasts longer than one before it is another


class Client:
    """The grid client of one setup script and group.

    Args:
        host: where it runs.
        setup_path: its setup script.
        group: of the proxy.
    """

    def __init__(self, host: Host, setup_path: str, group: str) -> None:
        self.host = host
        self.group = group
        self.setup_path = setup_path
        self._environment: dict[str, str] | None = None
        self._proxy: parse.Proxy | None = None
        self._asked = 0.0
        self._renewal: threading.Thread | None = None
        self._gave_up: float | None = None

    # -- commands

    def environment(self) -> Mapping[str, str]:
        """What the setup script exports.

        Raises:
            CommandError: it does not work.
        """
        if self._environment is None:
            home = {name: self.host.environ[name] for name in _HOME if name in self.host.environ}
            words = ("bash", "-c", _SOURCE, "gbasf2-setup", self.setup_path, self.group)
            command = Command(words, only_env=(), env=home, timeout=SETUP_TIME)
            if not self.host.exists(Path(self.setup_path)):
                raise CommandError(command, f"there is no setup script {self.setup_path}")
            completed = self.host.run(command)
            found = parse.environment(completed.stdout)
            if not completed.ok or "PATH" not in found:
                raise CommandFailed(command, completed, "the setup script does not work")
            self._environment = found
        return self._environment

    def run(self, command: Command) -> Completed:
        """Run a command of the client in its environment."""
        env = {**self.environment(), **command.env}
        return self.host.run(attrs.evolve(command, only_env=(), env=env))

    def ask(self, helper: str, *words: str) -> Any:
        """What a helper answers.

        Raises:
            CommandError: it could not be asked, or what it printed is no answer.
        """
        command = question(helper, *words)
        completed = self.run(command)
        try:
            return answer(command, completed)
        except CommandFailed:
            self._asked = 0.0  # it may be the proxy
            raise

    def jobs(self, user: str, projects: Iterable[str]) -> dict[str, dict[int, parse.GridJob]]:
        """The jobs of projects, in one question."""
        return parse.jobs(self.ask("status", user, self.group, *projects))

    def names(self, user: str, datasets: Iterable[str]) -> list[str]:
        """The logical names of the files of datasets."""
        found = self.ask("ds_list", "names", user, *datasets)
        return [name for name in found if isinstance(name, str)]

    def files(self, user: str, dataset: str) -> dict[str, parse.GridFile]:
        """The files of a dataset by their logical names."""
        return parse.grid_files(self.ask("ds_list", "files", user, dataset))

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the client's commands that are not on its PATH."""
        folders = self.environment().get("PATH", "").split(":")
        there = {name for folder in folders for name in self._names(Path(folder))}
        return [name for name in names if name not in there]

    def _names(self, folder: Path) -> list[str]:
        """What is in a folder of the PATH; nothing where it is none or may not be read."""
        try:
            return self.host.listdir(folder)
        except OSError:
            return []

    # -- the proxy

    def proxy(self, *, anew: bool = False) -> parse.Proxy | None:
        """The proxy; asked for from time to time, when it is about to end, and *anew*."""
        age = time.monotonic() - self._asked
        if anew or not self._asked or age > BELIEVED or self._left() < BELIEVED:
            self._proxy = parse.proxy(self.ask("proxy_info"))
            self._asked = time.monotonic()
        if self._proxy and self._left() > 0:
            if self._gave_up is not None and self._ends() > self._gave_up + ANOTHER:
                self._gave_up = None  # somebody has made it elsewhere
            return attrs.evolve(self._proxy, left=self._left())
        return None

    def owner(self) -> str | None:
        """Whose the proxy is, or was when it was valid; None: there is none."""
        self.proxy()
        return self._proxy.user if self._proxy else None

    def _left(self) -> float:
        return (self._proxy.left if self._proxy else 0) - (time.monotonic() - self._asked)

    def _ends(self) -> float:
        """When the proxy ends, on the clock of `monotonic`; 0: there is none."""
        return self._asked + self._proxy.left if self._proxy and self._proxy.left else 0.0

    def need_proxy(
        self, lifetime: int, least: int = 0, *, strict: bool = False, wait: bool = False
    ) -> parse.Proxy:
        """The proxy, which is renewed in the background where it has to be.

        Nobody waits for a password where jobs are watched: as long as there is no proxy, this is
        an error, and the core asks again later.

        Args:
            lifetime: hours that a new one is good for.
            least: hours that it should be good for.
            strict: an error as well where it is good for less than that.
            wait: until somebody has typed the password, if there is a terminal.

        Raises:
            CommandError: there is none (that is good for long enough).
        """
        proxy = self.proxy()
        if not _is_enough(proxy, least):
            self._renew(lifetime)
            if wait and self._renewal:
                self._renewal.join()
                proxy = self.proxy()
        if proxy is None or (strict and not _is_enough(proxy, least)):
            said = f"is good for less than {least} h" if proxy else "is not there or has expired"
            how = "its password is asked for" if self._renewing() else "run this, jobs go on"
            command = render.proxy_init(self.group, lifetime)
            raise CommandError(command, f"the grid proxy {said}; {how}")
        return proxy

    def _renewing(self) -> bool:
        return self._renewal is not None and self._renewal.is_alive()

    def _renew(self, lifetime: int) -> None:
        if self._gave_up is not None or self._renewing():
            return
        self._renewal = threading.Thread(
            target=self._ask_password, args=(lifetime,), name="gbasf2-proxy", daemon=True
        )
        self._renewal.start()
        self._renewal.join(0.2)  # without a terminal it has ended, and the error says so

    def _ask_password(self, lifetime: int) -> None:
        prompt = "Certificate password, for a grid proxy: "
        for _ in range(TRIES):
            password = self.host.secret(prompt)
            if password is None:
                break
            if self._init_proxy(password, lifetime):
                self._asked = 0.0
                return
            prompt = "That did not work. Certificate password: "
        self._gave_up = self._ends()

    def _init_proxy(self, password: str, lifetime: int) -> bool:
        """Whether it was made; the exit status is 0 in any case."""
        command = render.proxy_init(self.group, lifetime)
        try:
            words = (*command.argv, render.PASSWORD_PIPED)
            completed = self.run(attrs.evolve(command, argv=words, stdin=f"{password}\n"))
        except CommandError:
            return False
        said = (completed.stdout + completed.stderr).lower()
        return completed.ok and "bad pass" not in said and "error" not in said


def question(helper: str, *words: str, stdin: str = "") -> Command:
    """The command that asks a helper."""
    path = HELPERS / f"{helper}.py"
    return Command(("python3", str(path), *words), stdin=stdin, timeout=QUESTION_TIME)


def answer(command: Command, completed: Completed) -> Any:
    """What a helper has printed.

    Raises:
        CommandFailed: it is no answer.
    """
    try:
        return parse.marked(completed.stdout)
    except ValueError as error:
        raise CommandFailed(command, completed, f"no answer ({error})") from None


def _is_enough(proxy: parse.Proxy | None, hours: int) -> bool:
    return proxy is not None and proxy.left > hours * 3600


_HOME = ("HOME", "USER", "LOGNAME", "X509_USER_PROXY")
