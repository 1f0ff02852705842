"""Telling by mail: through `sendmail`, or an SMTP server."""

from __future__ import annotations

import os
import smtplib
import ssl
import stat
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING

from anybatch.errors import CommandError
from anybatch.host import Command
from anybatch.notifying import message
from anybatch.notifying.errors import Undelivered, why

if TYPE_CHECKING:
    from anybatch.host import Host
    from anybatch.notifying.message import End
    from anybatch.notifying.request import MailRoute

PASSWORD = "ANYBATCH_SMTP_PASSWORD"
#: Where it is where it is in no ordinary user's PATH.
_PLACES = (Path("/usr/sbin/sendmail"), Path("/usr/lib/sendmail"))


def find_sendmail(host: Host) -> str | None:
    """The program `sendmail`; None: there is none."""
    found = host.which("sendmail")
    return found or next((str(path) for path in _PLACES if os.access(path, os.X_OK)), None)


def write_mail(end: End, receiver: str, sender: str, host: Host) -> EmailMessage:
    """The mail; its headers are one line each, whatever names say."""
    mail = EmailMessage()
    mail["Subject"] = message.subject(end)
    mail["To"] = receiver
    if sender:
        mail["From"] = sender
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=host.name)  # else its name is looked up, for long
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text(end))
    return mail


def send(end: End, address: str, route: MailRoute, host: Host, timeout: float) -> None:
    """Send the mail.

    Args:
        address: the receiver's; empty: the user's own, as the machine's own mail knows it.
        timeout: seconds for `sendmail`, or for each step of the network.

    Raises:
        Undelivered: nobody has taken it.
    """
    mail = write_mail(end, address or host.user, route.sender or (route.host and address), host)
    if route.host:
        _by_smtp(mail, route, host, timeout)
    else:
        _by_sendmail(mail, host, timeout)


def _by_sendmail(mail: EmailMessage, host: Host, timeout: float) -> None:
    program = find_sendmail(host)
    if program is None:
        raise Undelivered("there is no program sendmail here; set smtp_host")
    # -t: the receiver stands in the mail; -i: a line with a dot alone does not end it.
    command = Command(
        (program, "-i", "-t"),
        stdin=mail.as_bytes().decode("utf-8", "surrogateescape"),
        timeout=timedelta(seconds=timeout),
        hide_env=(PASSWORD,),
    )
    try:
        done = host.run(command)
    except CommandError as error:
        raise Undelivered(message.line(str(error))[:200]) from None
    if not done.ok:
        said = message.line(done.stderr or done.stdout)[:200]
        raise Undelivered(f"sendmail ended with {done.returncode}{': ' if said else ''}{said}")


def _by_smtp(mail: EmailMessage, route: MailRoute, host: Host, timeout: float) -> None:
    where = f"{route.host}:{route.usual_port}"
    context = ssl.create_default_context()
    try:
        password = read_password(route, host) if route.user else ""
        server: smtplib.SMTP
        if route.security == "tls":
            server = smtplib.SMTP_SSL(
                route.host, route.usual_port, host.name, timeout=timeout, context=context
            )
        else:
            server = smtplib.SMTP(route.host, route.usual_port, host.name, timeout=timeout)
        with server:
            if route.security == "starttls":
                server.starttls(context=context)
            if route.user:
                server.login(route.user, password)
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        answers = [_answer(code, said) for code, said in error.recipients.values()]
        raise Undelivered(f"{where} refused the receiver: {'; '.join(answers)}") from None
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"{where}: {_answer(error.smtp_code, error.smtp_error)}") from None
    except smtplib.SMTPException as error:
        raise Undelivered(f"{where}: {error!s:.200}") from None
    except (OSError, ValueError) as error:
        raise Undelivered(f"{where}: {why(error)}") from None


def _answer(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return message.line(f"{code} {text}")[:200]


def read_password(route: MailRoute, host: Host) -> str:
    """The password, from the environment or a file that is the user's alone.

    Raises:
        Undelivered: there is none, or others can read it.
    """
    if PASSWORD in host.environ:
        return host.environ[PASSWORD]
    if not route.password_file:
        raise Undelivered(f"no password for {route.user}; set smtp_password_file or {PASSWORD}")
    path = Path(route.password_file)
    try:
        if why_not := host.distrust(path):
            raise Undelivered(f"the password in {str(path)!r} is not used: {why_not}")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Undelivered(
                f"the password in {str(path)!r} is not used: others can read it; chmod 600 helps"
            )
        return host.read(path).rstrip("\r\n")
    except OSError as error:
        raise Undelivered(f"cannot read {str(path)!r}: {error.strerror}") from None
