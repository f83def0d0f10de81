"""Files that only this user can have written: what is executed is read from no other ones."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from shufflenet.outside import open_regular

__all__ = ["make_private", "open_private"]

_ROOT = 0
_BY_GROUP, _BY_ANYONE = stat.S_IWGRP, stat.S_IWOTH


def make_private(folder: Path) -> None:
    """Make a folder that only this user may read or write, if there is none.

    Raises:
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: Path) -> BufferedReader:
    """Open a file to read that nobody but this user and the system's can have written or put there.

    Checked are the owners and permissions of the file and of every folder above it, links
    followed. Others may write where names of this user's files are safe from them, as in ``/tmp``.
    On Windows, where permissions are no such bits, the file must lie in the user's own folder.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: others can write it, or replace it.
        OSError: it is no regular file, or cannot be read.
    """
    folder = Path(os.path.realpath(path.parent))
    if not hasattr(os, "geteuid"):
        safe = Path.home().resolve() in folder.parents
    else:
        safe = all(_is_safe_folder(os.stat(each)) for each in (folder, *folder.parents))
    file = open_regular(folder / path.name)
    status = os.fstat(file.fileno())
    if safe and _is_own(status) and not _others_write(status):
        return file
    file.close()
    raise PermissionError(errno.EPERM, "others can write it", str(path))


def _is_safe_folder(status: os.stat_result) -> bool:
    """Return whether nobody else can rename or replace what this user has in a folder."""
    sticky = bool(status.st_mode & stat.S_ISVTX)
    return _is_own(status, or_root=True) and (sticky or not _others_write(status))


def _is_own(status: os.stat_result, *, or_root: bool = False) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() or (or_root and status.st_uid == _ROOT)


def _others_write(status: os.stat_result) -> bool:
    """Return whether others may write a file or folder, by the bits of its mode."""
    if not hasattr(os, "geteuid"):
        return False
    if status.st_mode & _BY_ANYONE:
        return True
    return bool(status.st_mode & _BY_GROUP) and not _is_own_group(status.st_gid)


def _is_own_group(group: int) -> bool:
    """Return whether a group is this user's alone, as many Linux systems make one for each.

    Where that is so files are often writable by the group, which lets nobody else in.
    """
    import grp  # noqa: PLC0415  # not on Windows
    import pwd  # noqa: PLC0415  # not on Windows

    try:
        user, entry = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:  # of a user without a name, as in many a container
        return False
    return (
        user.pw_gid == group
        and entry.gr_name == user.pw_name
        and not {*entry.gr_mem} - {user.pw_name}
    )
