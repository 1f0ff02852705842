"""Whose files are believed: this user's and root's, where nobody else can write."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from pathlib import Path

_ROOT = 0


def distrust(path: Path) -> str:
    """Why a file or folder is not believed; an empty text: it is.

    Of a link both are asked, the link and what it leads to. Others cannot write where only the
    group may and the group is the user's alone, as it is by default on Red Hat and Debian (umask
    002, a group for each user). In a folder with the sticky bit others cannot replace what is
    this user's.

    Raises:
        OSError: it is not there, or cannot be looked at.
    """
    link = path.lstat()
    if stat.S_ISLNK(link.st_mode) and not _is_own(link):
        return f"it is a link that belongs to {user_name(link.st_uid)}, not to you"
    status = path.stat()
    if not _is_own(status):
        return f"it belongs to {user_name(status.st_uid)}, not to you"
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX:
        return ""
    if mode & stat.S_IWOTH:
        return f"everybody can write to it (mode {mode:04o}); chmod go-w makes it yours alone"
    if mode & stat.S_IWGRP and not _is_private(status.st_gid):
        group = _group_name(status.st_gid)
        return f"group {group} can write to it (mode {mode:04o}); chmod g-w makes it yours alone"
    return ""


class NotOwn(OSError):
    """A file or folder is somebody else's; `strerror` says whose."""


def check_own(status: os.stat_result, path: Path) -> None:
    """See that what was opened is this user's or root's.

    Raises:
        NotOwn: it is somebody else's.
    """
    if not _is_own(status):
        why = f"it belongs to {user_name(status.st_uid)}, not to you"
        raise NotOwn(errno.EPERM, why, str(path))


def replaceable(path: Path) -> str:
    """Which folder above *path* lets everybody replace what is in it; an empty text: none does.

    Folders that a group can write are shared on purpose, and those of another user are theirs.
    """
    for folder in Path(os.path.realpath(path)).parents:
        try:
            mode = stat.S_IMODE(folder.stat().st_mode)
        except OSError:
            continue  # it is not there yet
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return str(folder)
    return ""


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (_ROOT, os.geteuid())


def user_name(uid: int) -> str:
    """The login name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"user {uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)


def _is_private(gid: int) -> bool:
    """Whether a group has this user as its only member: it has the user's name, and no others."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    mine = group.gr_name == user.pw_name and user.pw_gid == gid
    return mine and set(group.gr_mem) <= {user.pw_name}
