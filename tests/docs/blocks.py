"""Fenced blocks of the documentation: how they are read, run and compared.

    ```python               is run; the blocks of a page share their names and a folder
    ```output               follows a python block: what that prints
    ```console              lines after `$ ` are run by one bash for the page, the rest is shown;
                            one that fails has a `$ echo $?` after it
    ```LANGUAGE NAME        is a file that later blocks use
    ```LANGUAGE docs/...    is that file of this repository, word for word
    ```text, toml, ...      is only shown

In what is shown, `...` stands for any text of a line, and alone on a line for any lines; a run's
id stands for the id that the run has got; spaces count as one; `/home/ada/project` is the page's
folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "core" / "README.md",
        *ROOT.glob("plugins/*/README.md"),
        *ROOT.glob("docs/**/*.md"),
    ]
)

_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RUN_ID = r"\d{8}-\d{6}-[0-9a-f]{6}"
_FOLDER = "/home/ada/project"
_END = "-- end of the command, status"


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        language: the first word after the fence.
        argument: the second; empty: there is none.
        text: what it holds.
        where: page and line, for messages.
    """

    language: str
    argument: str
    text: str
    where: str


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of *page*, in order."""
    content = page.read_text("utf-8")
    return [
        Block(
            match[1],
            match[2] or "",
            match[3],
            f"{page.relative_to(ROOT)}:{content.count(chr(10), 0, match.start()) + 1}",
        )
        for match in _FENCE.finditer(content)
    ]


def name_of(page: Path) -> str:
    """What a test calls a page."""
    return str(page.relative_to(ROOT))


class Runner:
    """Runs the blocks of a page.

    Args:
        folder: where they run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "docs"}
        self._printed: str | None = None
        self._runs: dict[str, str] = {}
        self._shell: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> None:
        """Do with *block* what its language and argument say."""
        printed, self._printed = self._printed, None
        if block.argument.startswith("docs/"):
            assert block.text == (ROOT / block.argument).read_text("utf-8"), block.where
        elif block.argument:
            self._write(block)
        elif block.language == "python":
            self._printed = self._run_python(block)
        elif block.language == "output":
            assert printed is not None, f"{block.where}: no python block before it"
            self._compare(block.where, block.text, printed)
        elif block.language == "console":
            self._run_console(block)

    def _write(self, block: Block) -> None:
        path = self._folder / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        path.chmod(0o755)

    def _run_python(self, block: Block) -> str:
        out = io.StringIO()
        line = int(block.where.rpartition(":")[2])
        code = compile("\n" * line + block.text, block.where, "exec", dont_inherit=True)
        with contextlib.redirect_stdout(out):
            exec(code, self._names)  # what a reader does with it
        return out.getvalue()

    def _run_console(self, block: Block) -> None:
        commands = list(_commands(block))
        for number, (written, shown) in enumerate(commands):
            command = re.sub(_RUN_ID, lambda name: self._runs.get(name[0], name[0]), written)
            printed, status = self._tell_shell(command)
            self._compare(f"{block.where}: $ {command}", shown, printed)
            told = any(later == "echo $?" for later, _ in commands[number + 1 :])
            assert status == 0 or told, f"{block.where}: $ {command}: status {status}\n{printed}"

    def _tell_shell(self, command: str) -> tuple[str, int]:
        """What a command prints, and its exit status."""
        if self._shell is None:
            self._shell = subprocess.Popen(
                ["bash", "--norc", "--noprofile"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self._folder,
            )
        shell = self._shell
        assert shell.stdin
        assert shell.stdout
        tell = f"docs_status=$?; echo; echo '{_END}' $docs_status; (exit $docs_status)"
        shell.stdin.write(f"(exit ${{docs_status:-0}})\n{{ {command}\n}} </dev/null\n{tell}\n")
        shell.stdin.flush()
        lines: list[str] = []
        for line in shell.stdout:
            if line.startswith(_END):
                return "".join(lines), int(line.removeprefix(_END))
            lines.append(line)
        raise AssertionError(f"the shell ended at: {command}")

    def _compare(self, where: str, shown: str, printed: str) -> None:
        """That *printed* is what the page shows. Learns the ids of runs."""
        names = list(dict.fromkeys(re.findall(_RUN_ID, shown)))
        printed = printed.replace(str(self._folder), _FOLDER)
        found = re.fullmatch(self._pattern(shown, names), _plain(printed) + "\n")
        assert found, f"{where}\n-- shown:\n{shown}\n-- printed:\n{printed}"
        learnt = {name: found.groupdict().get(f"run_{n}") for n, name in enumerate(names)}
        self._runs.update({name: run for name, run in learnt.items() if run})

    def _pattern(self, shown: str, names: list[str]) -> str:
        """A regular expression for what the page shows, every line ended."""
        lines = []
        for line in _plain(shown).split("\n"):
            inner = r"[^\n]*".join(map(re.escape, line.split("...")))
            lines.append(r"(?:[^\n]*\n)*" if line == "..." else inner + r"\n")
        pattern = "".join(lines)
        for number, name in enumerate(names):
            if name in self._runs:
                pattern = pattern.replace(re.escape(name), re.escape(self._runs[name]))
            else:
                group = f"(?P<run_{number}>{_RUN_ID})"
                pattern = pattern.replace(re.escape(name), group, 1)
                pattern = pattern.replace(re.escape(name), f"(?P=run_{number})")
        return pattern

    def close(self) -> None:
        """End the shell."""
        if self._shell is not None:
            self._shell.kill()
            self._shell.communicate()


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Commands of a console block, each with what it is shown to print."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        length = 1
        while length < len(lines) and lines[length].startswith("> "):
            length += 1
        command = "".join([lines[0], *(line[2:] for line in lines[1:length])])
        yield command.rstrip("\n"), "".join(lines[length:])


def _plain(text: str) -> str:
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.strip("\n").split("\n")]
    return "\n".join(lines).strip("\n")


def on_path(*folders: Path) -> str:
    """The PATH with *folders* first."""
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])
