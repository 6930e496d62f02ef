"""Work on the station's files as the station's own user, whoever calls.

What root writes into a folder of another user, that user could have led elsewhere; and the station could not read it.
"""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chargerd.ctl.asking import CtlError


@contextmanager
def as_owner_of(folder: Path, device: Path | None = None) -> Iterator[None]:
    """Act as the owner of `folder` for a while, with the group of `device` where it is there. Raises CtlError."""
    try:
        found = folder.stat()
    except OSError as error:
        raise CtlError(
            f"{folder}: {error.strerror}; is chargerd installed, or is the state elsewhere (--state)?"
        ) from error
    if os.geteuid() == found.st_uid:
        yield
        return
    if os.geteuid() != 0:
        raise CtlError(f"{folder}: belongs to {_name(found.st_uid)}; run this as root or as that user")
    groups = [found.st_gid, *([device.stat().st_gid] if device is not None and device.exists() else [])]
    before = (os.getgroups(), os.getegid())
    os.setgroups(groups)
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[1])
        os.setgroups(before[0])


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
