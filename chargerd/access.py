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
    # What the vehicle stack uses; people at a bench play it.
    "contract": Role.TECHNICIAN,
    "ev_certificate": Role.TECHNICIAN,
    "vehicle": Role.TECHNICIAN,
    # Frames hold what the CSMS and the station say to each other, tokens and all; the rest plays with the link.
    "frames": Role.TECHNICIAN,
    "link_down": Role.TECHNICIAN,
    "link_up": Role.TECHNICIAN,
    "signal": Role.TECHNICIAN,
}
"""The role that each verb takes. A verb that is not here cannot be served."""

STACK_GROUP = "chargerd-vehicle"
"""The group of the program that speaks ISO 15118 with vehicles. Whoever plugs in talks to that program, so it may use
its own verbs and nothing else.
"""

STACK_VERBS = frozenset({"contract", "ev_certificate", "vehicle"})

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

    def __init__(self, group_ids: Mapping[Role, int], masters: frozenset[int], stack_gid: int | None = None) -> None:
        """`group_ids`: the group of each role, as far as there is one. `masters`: users who may do everything.
        `stack_gid`: the group of the vehicle stack, None: there is none.
        """
        self._group_ids = dict(group_ids)
        self._masters = masters
        self._stack_gid = stack_gid

    def role_of(self, caller: Caller) -> Role:
        """The highest role that one of the caller's groups gives."""
        if caller.uid in self._masters:
            return Role.TECHNICIAN
        return max((role for role, gid in self._group_ids.items() if gid in caller.gids), default=Role.NOBODY)

    def is_stack(self, caller: Caller) -> bool:
        """Whether this is the vehicle stack."""
        return self._stack_gid is not None and self._stack_gid in caller.gids

    def is_master(self, caller: Caller) -> bool:
        """Whether this is root or the user of the service."""
        return caller.uid in self._masters


def gate_of_this_machine() -> Gate:
    """The groups as they are now; one that is made later counts from the next start on."""
    found = {role: gid for role, name in GROUPS.items() if (gid := _gid(name)) is not None}
    return Gate(found, frozenset({0, os.getuid()}), _gid(STACK_GROUP))


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


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
