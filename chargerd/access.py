"""Who may do what on the station's local socket: three roles, each a group of this machine, and a role for every verb.

The kernel vouches for the caller (SO_PEERCRED, SO_PEERGROUPS, as they were when it connected). Root and the user of
the service may do everything; whoever is in none of the groups is told nothing.
"""

import grp
import os
import socket
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol

import msgspec


class Role(IntEnum):
    """What somebody may do; each role may do all that the ones below may."""

    NOBODY = 0
    READER = 1  # look
    OPERATOR = 2  # what the people who run the site do day by day
    TECHNICIAN = 3  # what belongs to commissioning, repair and the bench


GROUPS: Mapping[Role, str] = {
    Role.READER: "chargerd-read",
    Role.OPERATOR: "chargerd-operator",
    Role.TECHNICIAN: "chargerd-tech",
}
"""The groups that give the roles (systemd/chargerd.sysusers)."""

VERBS: Mapping[str, Role] = {
    "status": Role.READER,
    "identity": Role.READER,  # certificates and where keys live, none of which is a secret
    "user_limit": Role.OPERATOR,
    # The program that speaks ISO 15118 with vehicles: what it says can begin to authorize somebody.
    "contract": Role.OPERATOR,
    "ev_certificate": Role.OPERATOR,
    "vehicle": Role.OPERATOR,
    # Frames hold what the CSMS and the station say to each other, tokens and all; the rest plays with the link.
    "frames": Role.TECHNICIAN,
    "link_down": Role.TECHNICIAN,
    "link_up": Role.TECHNICIAN,
    "signal": Role.TECHNICIAN,
}
"""The role that each verb takes. A verb that is not here cannot be served."""

SO_PEERGROUPS = 59
"""asm-generic/socket.h, Linux 4.13; Python 3.11 does not name it."""

_MAX_OPTION_BYTES = 1024  # what getsockopt of Python reads at most: 256 groups
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Caller(msgspec.Struct, frozen=True):
    """Who is at the other end of a local socket."""

    uid: int
    gids: frozenset[int]


class HasOptions(Protocol):
    """A socket, or what asyncio shows of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """See socket.socket."""
        ...


class Gate:
    """Knows the role of a caller."""

    def __init__(self, group_ids: Mapping[Role, int], masters: frozenset[int]) -> None:
        """`group_ids`: the group of each role, as far as there is one. `masters`: users who may do everything."""
        self._group_ids = dict(group_ids)
        self._masters = masters

    def role_of(self, caller: Caller) -> Role:
        """The highest role that one of the caller's groups gives."""
        if caller.uid in self._masters:
            return Role.TECHNICIAN
        return max((role for role, gid in self._group_ids.items() if gid in caller.gids), default=Role.NOBODY)

    def is_master(self, caller: Caller) -> bool:
        """Whether this is root or the user of the service."""
        return caller.uid in self._masters


def gate_of_this_machine() -> Gate:
    """The groups as they are now; one that is made later counts from the next start on."""
    group_ids = {}
    for role, name in GROUPS.items():
        try:
            group_ids[role] = grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return Gate(group_ids, frozenset({0, os.getuid()}))


def caller_of(connection: HasOptions) -> Caller:
    """Who connected. Raises OSError."""
    _pid, uid, gid = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    try:
        others = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, _MAX_OPTION_BYTES)
    except OSError:  # more groups than fit: they give nothing
        others = b""
    return Caller(uid, frozenset({gid, *(found for (found,) in struct.iter_unpack("=I", others))}))


def how_to_get(role: Role) -> str:
    """What a person does who lacks `role`."""
    return f'sudo usermod -aG {GROUPS[role]} "$USER", then log in again; or be root'
