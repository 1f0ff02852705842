"""A request to be told: whom, when, and how mail goes out. It is kept in the run's folder.

    {"format": 1, "on": "end", "targets": [{"channel": "mail", "words": ["me@example.org"]}],
     "mail": {"host": "smtp.example.org", ...}}

It is read by whoever sees the end of the run, maybe on another host, and with other settings. Its
targets may hold secrets, so the file is its owner's alone. Passwords are not in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import UsageError
from anybatch.notifying.targets import Channel, Target, is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMAT = 1
FOLDER = "notify"  #: in the run's folder: a file for each request
END, FAILURE = "end", "failure"
MOMENTS = (END, FAILURE)
SECURITY = ("starttls", "tls", "none")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@attrs.frozen(kw_only=True)
class MailRoute:
    """How mail goes out.

    Attributes:
        host: of the SMTP server; empty: by the program `sendmail`.
        port: 0: the usual one.
        security: `starttls`, `tls` or `none`.
        user: who logs in; empty: nobody.
        password_file: where the password is, if not in the environment.
        sender: the address that the mail is from; empty: sendmail's, or the receiver's.
    """

    host: str = ""
    port: int = 0
    security: str = "starttls"
    user: str = ""
    password_file: str = ""
    sender: str = ""

    @property
    def usual_port(self) -> int:
        """The port, also where none is given."""
        return self.port or _PORTS[self.security]


@attrs.frozen(kw_only=True)
class Request:
    """Somebody's wish to be told of a run's end.

    Attributes:
        targets: whom to tell.
        moment: `end`, or `failure`: only if a job is not done.
        mail: how mail goes out.
    """

    targets: tuple[Target, ...]
    moment: str = END
    mail: MailRoute = attrs.field(factory=MailRoute)


def write(request: Request) -> str:
    """The request as the text of its file."""
    targets = [{"channel": one.channel.value, "words": list(one.words)} for one in request.targets]
    plain = {
        "format": FORMAT,
        "on": request.moment,
        "targets": targets,
        "mail": attrs.asdict(request.mail),
    }
    return json.dumps(plain)


def read(text: str) -> Request:
    """The inverse.

    Raises:
        ValueError: it makes no sense, or a later version wrote it.
    """
    try:
        plain = json.loads(text)
        if plain["format"] != FORMAT or plain["on"] not in MOMENTS:
            raise ValueError("another version of anybatch has written it")
        return Request(
            targets=tuple(map(_target, plain["targets"])),
            moment=plain["on"],
            mail=_mail(plain["mail"]),
        )
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error!s:.100}") from None


def _target(plain: Mapping[str, Any]) -> Target:
    words = tuple(plain["words"])
    channel = Channel(plain["channel"])
    most = {Channel.MAIL: (0, 1), Channel.WEBHOOK: (1, 1), Channel.DESKTOP: (0, 0)}
    low, high = most.get(channel, (1, len(words)))
    if not all(isinstance(word, str) for word in words) or not low <= len(words) <= high:
        raise ValueError(f"a target for {channel.value} has odd words")
    return Target(channel, words)


def _mail(plain: Mapping[str, Any]) -> MailRoute:
    known = {name: plain[name] for name in attrs.fields_dict(MailRoute)}
    if not all(isinstance(known[name], type(value)) for name, value in _PLAIN.items()):
        raise ValueError("how mail goes out is odd")
    if known["security"] not in SECURITY:
        raise ValueError("how mail is made secure is not known")
    return MailRoute(**known)


_PLAIN = attrs.asdict(MailRoute())


def read_route(setting: Callable[[str], Any]) -> MailRoute:
    """How mail goes out, as settings say.

    Args:
        setting: gives the value of one of the core's settings.

    Raises:
        UsageError: a password would go over the network for all to read.
    """
    route = MailRoute(
        host=setting("smtp_host") or "",
        port=setting("smtp_port") or 0,
        security=setting("smtp_security"),
        user=setting("smtp_user") or "",
        password_file=setting("smtp_password_file") or "",
        sender=setting("mail_from") or "",
    )
    if route.sender and not is_address(route.sender):
        raise UsageError("mail_from is no address; give a plain one, as in me@example.org")
    if not 0 <= route.port <= 65535:
        raise UsageError(f"smtp_port must be a port, 1 to 65535, not {route.port}")
    if route.user and route.security == "none":
        raise UsageError(
            "smtp_user with smtp_security = 'none' would send the password for all to read; use "
            "'starttls' or 'tls', or leave out smtp_user"
        )
    return route
