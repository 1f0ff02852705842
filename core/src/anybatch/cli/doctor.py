"""`doctor`: a full check-up of what jobs will need."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from anybatch import __version__
from anybatch.cli.base import Command, echo, json_option, print_json, say
from anybatch.cli.inspect import system_meant
from anybatch.cli.params import complete_system
from anybatch.errors import AnybatchError
from anybatch.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anybatch.plugins.calls import Hooks
    from anybatch.plugins.registry import InstalledPlugin
    from anybatch.records import Detection
    from anybatch.session import Session


INDENT = "\n           "


@attrs.frozen
class Finding:
    """The result of a check.

    Attributes:
        check: what was checked.
        ok: whether nothing needs to be fixed.
        text: what was found.
        details: more facts, by name.
        absent: nothing is wrong, but there is nothing to use either.
    """

    check: str
    ok: bool
    text: str
    details: Mapping[str, str] = attrs.field(factory=dict)
    absent: bool = False


@click.command(
    cls=Command,
    examples="""\
anybatch doctor
anybatch doctor --system slurm --submit""",
    exits={0: "no problem found", 1: "at least one problem found"},
)
@click.option(
    "--system",
    metavar="NAME",
    shell_complete=complete_system,
    help="Batch system to check (default: the best one available).",
)
@click.option("--submit", is_flag=True, help="Also run a test job (`true`) and show how it ends.")
@json_option
def doctor(system: str | None, submit: bool, as_json: bool) -> None:
    """Check the installation.

    Checks folders, settings, plugins and batch systems. With --submit, also runs a test job.
    """
    findings = []
    for finding in _check_up(system, submit):
        findings.append(finding)
        if not as_json:
            _print(finding)
    ok = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": ok, "findings": [attrs.asdict(finding) for finding in findings]})
    sys.exit(int(not ok))


def _print(finding: Finding) -> None:
    mark = click.style("PROBLEM", "red")
    if finding.ok:
        mark = "-      " if finding.absent else click.style("ok     ", "green")
    click.echo(f"{mark}  {escaped(finding.check)}: {escaped(finding.text)}".replace("\n", INDENT))
    for name, value in finding.details.items():
        echo(f"{INDENT[1:]}{name}: {value}")


def _check_up(system: str | None, submit: bool) -> Iterator[Finding]:
    from anybatch.detection import detect
    from anybatch.session import Session

    yield _version()
    yield _folder("state folder", _state_folder(), "set XDG_STATE_HOME to use another")
    try:
        session = Session(system, on_notice=say)
    except AnybatchError as error:
        yield Finding("settings", False, str(error))
        return
    with session:
        yield _settings(session)
        yield _folder("run folders", session.runs_folder, "set runs_dir to use another")
        answers = detect(session.hooks, session.settings)
        yield from _plugins(session, answers)
        name = system or str(session.settings.core("system"))
        yield from _system(session, name, answers, submit)


def _version() -> Finding:
    where = Path(__file__).parents[1]
    text = f"{__version__} in {where}, Python {platform.python_version()} ({sys.executable})"
    return Finding("anybatch", True, text)


def _state_folder() -> Path:
    import platformdirs

    return platformdirs.user_state_path("anybatch")


def _folder(check: str, path: Path, advice: str) -> Finding:
    """Whether files can be made in a folder, or where it is not there yet, above it."""
    import tempfile

    try:
        above = next(folder for folder in (path, *path.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=above):
            return Finding(check, True, f"{path} is writable")
    except OSError as error:
        return Finding(check, False, f"{path} is not writable: {error.strerror}; {advice}")


def _settings(session: Session) -> Finding:
    files = [str(path) for path in session.settings.files]
    found = f"read from {' and '.join(files)}" if files else "no settings file found"
    return Finding("settings", True, found)


def _plugins(session: Session, answers: Mapping[str, Detection]) -> Iterator[Finding]:
    for plugin in session.plugins.found:
        yield _plugin(plugin, session.hooks, answers.get(plugin.name))


def _plugin(plugin: InstalledPlugin, hooks: Hooks, answer: Detection | None) -> Finding:
    from anybatch.plugins.registry import SWITCHED_OFF

    meant, problems = system_meant(plugin.name, hooks), hooks.plugins.problems(plugin.name)
    name = f"plugin {plugin.name}"
    source = plugin.distribution or "part of anybatch"
    if plugin.problem or problems:
        text = plugin.problem or "; ".join(problems)
        off = text == SWITCHED_OFF
        return Finding(name, off, f"{source}: {text}", absent=off)
    if answer is None:
        return Finding(name, True, f"{source}: not a batch system")
    here = "configured, but unreachable" if answer.unreachable else _here(answer)
    version = {"version": answer.version} if answer.version else {}
    alias = {"alias of": meant} if meant else {}
    details = {**version, **alias, **answer.details}
    text = f"{source}: {here}: {answer.reason}"
    return Finding(name, not answer.unreachable, text, details, absent=not answer.available)


def _system(
    session: Session, name: str, answers: Mapping[str, Detection], submit: bool
) -> Iterator[Finding]:
    try:
        yield _chosen(session, name, answers)
        if submit:
            yield _test_job(session)
    except AnybatchError as error:
        yield Finding("batch system", False, str(error))


def _chosen(session: Session, name: str, answers: Mapping[str, Detection]) -> Finding:
    from anybatch.detection import AUTO

    system = session.system
    if name == AUTO:
        usable = {
            n: answer
            for n, answer in answers.items()
            if answer.available and answer.priority is not None
        }
        listed = ", ".join(f"{n} {answer.priority}" for n, answer in usable.items())
        text = f"{AUTO} selects {system}, which has the highest priority here ({listed})"
        return Finding("batch system", True, text)
    asked = {one: answers[one] for one in (name, system) if one in answers}
    texts = [f"{one}, {_here(answer)}: {answer.reason}" for one, answer in asked.items()]
    if name != system:
        texts.insert(0, f"{name} is an alias of {system}")
    ok = all(answer.available for answer in asked.values())
    return Finding("batch system", ok, "; ".join(texts))


def _here(answer: Detection) -> str:
    return "available" if answer.available else "not available"


def _test_job(session: Session) -> Finding:
    from anybatch.cli.progress import progress
    from anybatch.cli.waiting import await_run
    from anybatch.model import Job

    with progress() as shown:
        run = session.submit(Job(["true"], name="anybatch-doctor"))
        [outcome] = await_run(session, run, shown)
    return Finding("test job", outcome.done, outcome.describe())
