"""The batch system's command line, `python -m anybatch.local`: what the plugin calls.

Prints one JSON object; errors go to standard error with exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import attrs

from anybatch.errors import AnybatchError
from anybatch.local import attributes
from anybatch.local.client import ask
from anybatch.local.folder import UnsuitableFolder, state_folder

_PATIENCE = 5.0
_PAUSE = 0.05


def main() -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args()
    try:
        answer = options.run(options)
    except (AnybatchError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(answer)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m anybatch.local", description=__doc__)
    commands = parser.add_subparsers(required=True)

    submit = commands.add_parser("submit", help="submit a request file; prints the job IDs")
    submit.add_argument("file", type=Path)
    submit.set_defaults(run=_submit)

    check = commands.add_parser(
        "check", help="tell whether a request would be taken; reads it from standard input"
    )
    check.set_defaults(run=_check)

    find = commands.add_parser("find", help="print the IDs of the jobs that carry a token")
    find.add_argument("token")
    find.set_defaults(run=_find)

    status = commands.add_parser(
        "status", help="print the status of jobs; reads their IDs from standard input"
    )
    status.set_defaults(run=_status)

    account = commands.add_parser(
        "account", help="like status, once the jobs are reaped; waits a few seconds for that"
    )
    account.set_defaults(run=_account)

    terminate = commands.add_parser(
        "terminate", help="stop jobs; reads their IDs from standard input"
    )
    terminate.add_argument("--signal", help="send this signal instead, for example USR1")
    terminate.set_defaults(run=_terminate)

    throttle = commands.add_parser(
        "throttle", help="change how many jobs of the submission with a token run at once"
    )
    throttle.add_argument("token")
    throttle.add_argument("most", type=int)
    throttle.set_defaults(run=_throttle)

    machine = commands.add_parser("machine", help="print the cores and the memory of this machine")
    machine.set_defaults(run=_machine)

    serve = commands.add_parser(
        "serve", help="run the supervisor; the other commands start it on demand"
    )
    serve.add_argument("--idle", type=float, default=10.0, help="end after this many idle seconds")
    serve.add_argument("--detach", action="store_true", help="return as soon as it serves")
    serve.set_defaults(run=_serve)
    return parser


def _submit(options: argparse.Namespace) -> str:
    return _hand_over("submit", options.file.read_text("ascii"))


def _check(_: argparse.Namespace) -> str:
    return _hand_over("check", sys.stdin.read())


def _hand_over(what: str, text: str) -> str:
    request = json.loads(text)
    request["attributes"] = attrs.asdict(attributes.own())  # ours are our submitter's
    try:
        return _ask({"do": what, "request": request})
    except UnsuitableFolder as error:  # trying again would not help
        return json.dumps({"rejected": str(error)}) + "\n"


def _find(options: argparse.Namespace) -> str:
    return _ask({"do": "find", "token": options.token})


def _status(_: argparse.Namespace) -> str:
    return _ask({"do": "status", "ids": json.load(sys.stdin)})


def _account(_: argparse.Namespace) -> str:
    ids = json.load(sys.stdin)
    give_up = time.monotonic() + _PATIENCE
    while True:  # a job's record is there a moment before its script has ended
        answer = _ask({"do": "status", "ids": ids})
        ended = all("ended" in facts for facts in json.loads(answer)["jobs"].values())
        if ended or time.monotonic() > give_up:
            return answer
        time.sleep(_PAUSE)


def _terminate(options: argparse.Namespace) -> str:
    return _ask({"do": "terminate", "ids": json.load(sys.stdin), "signal": options.signal})


def _throttle(options: argparse.Namespace) -> str:
    return _ask({"do": "throttle", "token": options.token, "most": options.most})


def _ask(question: dict[str, object]) -> str:
    return ask(state_folder(), question)


def _machine(_: argparse.Namespace) -> str:
    from anybatch.local import processes

    state_folder().check()  # whose error says why no job could be kept here
    return json.dumps({"cores": processes.cores(), "memory": processes.memory()}) + "\n"


def _serve(options: argparse.Namespace) -> str:
    from anybatch.local.detach import detach  # what clients do not need to load
    from anybatch.local.server import serve

    serve(state_folder(), options.idle, detach() if options.detach else None)
    return ""


if __name__ == "__main__":
    sys.exit(main())
