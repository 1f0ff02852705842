"""What batch plugins do with commands: run one or raise, tell a refusal, ask several servers.

class Tinyq(BatchSystem):
    def anybatch_detect(self, settings: Mapping[str, Any], choosing: bool) -> Detection:
        if missing := missing_tools(self.host, ("tsub", "tstat")):
            return missing
        ...

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        completed = self.host.run(rendered.command)
        if refused(completed, TRANSIENT):
            raise Rejected(completed.stderr.strip())
        ...
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anybatch.errors import CommandError, CommandFailed
from anybatch.records import Batch, Detection

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from anybatch.host import Command, Completed, Host

Answer = TypeVar("Answer")


class Submitted(tuple[str, ...]):
    """The ids of jobs that were submitted, with what the system said beside them.

    Attributes:
        notices: for the user, such as the warnings of a submit command that has succeeded.
    """

    notices: tuple[str, ...]

    def __new__(cls, ids: Iterable[str], notices: Iterable[str] = ()) -> Submitted:
        """See the class."""
        made = super().__new__(cls, ids)
        made.notices = tuple(notices)
        return made


def run(host: Host, command: Command) -> Completed:
    """Run a command that must succeed.

    Raises:
        CommandFailed: its exit status is not 0.
        CommandError: it could not be run, or did not end in time.
    """
    completed = host.run(command)
    if not completed.ok:
        raise CommandFailed(command, completed)
    return completed


def read(host: Host, command: Command, parse: Callable[[str], Answer]) -> Answer:
    """Run a command that must succeed, and parse what it prints.

    Args:
        parse: raises ValueError, KeyError or TypeError for a text that is not an answer.

    Raises:
        CommandFailed: its exit status is not 0, or it printed something else.
        CommandError: it could not be run, or did not end in time.
    """
    completed = run(host, command)
    try:
        return parse(completed.stdout)
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(command, completed, "cannot understand its output") from error


def missing_tools(host: Host, names: Iterable[str], signs: Sequence[str] = ()) -> Detection | None:
    """The answer to `anybatch_detect` where a program is not on the PATH; None: all are.

    If another of the programs is on the PATH, or there is a sign, the system is set up here and
    only cannot be used: `auto` must not take a login node in its place.

    Args:
        signs: what there is only where the system is set up: names of environment variables, and
            absolute paths of files.
    """
    found = {name: host.which(name) is not None for name in names}
    missing = [name for name, there in found.items() if not there]
    if not missing:
        return None
    there = [f"{name} is on it" for name, there in found.items() if there][:1]
    there += _signs_of(host, signs)
    reason = f"{missing[0]} is not on the PATH"
    if there:
        reason += f", although {' and '.join(there)}"
    return Detection(available=False, unreachable=bool(there), reason=reason)


def no_answer(
    host: Host,
    who: str,
    error: CommandError,
    not_set_up: re.Pattern[str],
    signs: Sequence[str] = (),
) -> Detection:
    """The answer to `anybatch_detect` where the tools are there and *who* does not answer.

    Args:
        not_set_up: matches what the tools print where the system is not set up. Anything else
            means that it is, and cannot be reached now.
        signs: as for `missing_tools`; one of them means that the system is set up after all.
    """
    there = _signs_of(host, signs)
    set_up = bool(there) or not_set_up.search(str(error)) is None
    because = f" ({' and '.join(there)})" if there else ""
    reason = f"{who} does not answer: {error}{because}"
    return Detection(available=False, unreachable=set_up, reason=reason)


def _signs_of(host: Host, signs: Sequence[str]) -> list[str]:
    """Those that are there, each as half a sentence."""
    files = [sign for sign in signs if sign.startswith("/") and _is_there(host, sign)]
    variables = [sign for sign in signs if host.environ.get(sign)]
    return [*(f"{name} is set" for name in variables), *(f"{path} exists" for path in files)]


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(Path(path))
    except OSError:  # in a folder that is not for everybody
        return True


def refused(completed: Completed, transient: re.Pattern[str]) -> bool:
    """Whether a submit command was refused for good, so that the same would be refused again.

    It was if the command ended by itself with an exit status other than 0 and told why. A
    command that was killed or said nothing may have submitted the jobs all the same.

    Args:
        transient: matches what is said of a failure that may pass, or after which the jobs may
            be there.
    """
    said = completed.stderr.strip()
    return completed.returncode > 0 and bool(said) and transient.search(said) is None


def ask_each_group(
    batches: Sequence[Batch],
    key: Callable[[Batch], Hashable],
    ask: Callable[[Sequence[Batch]], Mapping[str, Answer]],
    unasked: Callable[[Batch, CommandError], Mapping[str, Answer]],
) -> list[Mapping[str, Answer]]:
    """Ask about batches group by group: one question to each server, not one for each batch.

    What one server answers is given to the batches of its group alone, so that equal ids on two
    servers are two jobs. A server that cannot be asked does not keep the others from being asked.

    Args:
        key: what decides whom to ask about a batch, such as the cluster of its settings.
        ask: answers by native id for the batches of one group.
        unasked: the answer for a batch whose group could not be asked.

    Returns:
        The answers to each batch, in the order of *batches*.

    Raises:
        CommandError: no group could be asked.
    """
    groups: dict[Hashable, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(key(batch), []).append(batch)
    answers: dict[Hashable, Mapping[str, Answer]] = {}
    errors: dict[Hashable, CommandError] = {}
    for which, group in groups.items():
        try:
            answers[which] = ask(group)
        except CommandError as error:
            errors[which] = error
    if errors and not answers:
        raise next(iter(errors.values()))
    return [
        answers[key(batch)] if key(batch) in answers else unasked(batch, errors[key(batch)])
        for batch in batches
    ]
