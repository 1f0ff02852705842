"""Telling one target, and whether that can work from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anybatch.notifying.targets import Channel

if TYPE_CHECKING:
    from anybatch.host import Host
    from anybatch.notifying.message import End
    from anybatch.notifying.request import MailRoute
    from anybatch.notifying.targets import Target

TIMEOUT = 20.0  #: seconds for a command, and for each step of the network


def deliver(target: Target, end: End, route: MailRoute, host: Host) -> None:
    """Tell one target.

    Raises:
        Undelivered: that did not work.
    """
    # Imported late: most programs tell nobody, and these take a tenth of a second.
    from anybatch.notifying import mail, programs, webhook
    from anybatch.notifying.message import record

    if target.channel is Channel.MAIL:
        mail.send(end, "".join(target.words), route, host, TIMEOUT)
    elif target.channel is Channel.WEBHOOK:
        webhook.post(target.words[0], record(end), TIMEOUT)
    elif target.channel is Channel.DESKTOP:
        programs.show_on_desktop(end, host, TIMEOUT)
    else:
        programs.run_command(target.words, end, host, TIMEOUT)


def missing_for(target: Target, route: MailRoute, host: Host) -> str:
    """What telling a target would need and is not here; an empty text: nothing."""
    if target.channel is Channel.DESKTOP and host.which("notify-send") is None:
        return "the program notify-send is not installed here"
    if target.channel is Channel.COMMAND and host.which(target.words[0]) is None:
        return f"there is no program {target.words[0]!r:.100} that can be run"
    if target.channel is Channel.MAIL:
        from anybatch.notifying.mail import PASSWORD, find_sendmail

        if route.host and not target.words:
            return "an SMTP server needs an address; give mail:ADDRESS"
        if route.user and not route.password_file and PASSWORD not in host.environ:
            return f"smtp_user needs a password; set smtp_password_file or {PASSWORD}"
        if not route.host and find_sendmail(host) is None:
            return "there is no program sendmail here; set smtp_host"
    return ""
