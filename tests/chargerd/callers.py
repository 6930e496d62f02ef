"""Other users at a local socket, as the kernel shows them: a process of its own with the groups it is given."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chargerd.access import Gate, Role

STRANGER = 61000
GROUP_IDS = {Role.READER: 61001, Role.OPERATOR: 61002, Role.TECHNICIAN: 61003}

_ASK = """
import os, socket, sys
path, uid, gids = sys.argv[1], int(sys.argv[2]), [int(gid) for gid in sys.argv[3].split(",") if gid]
if os.geteuid() == 0 and uid:
    os.setgroups(gids)
    os.setgid(uid)
    os.setuid(uid)
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
try:
    connection.sendall(sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
except OSError:
    pass  # refused before it was heard
try:
    for line in connection.makefile():
        sys.stdout.write(line)
except OSError:
    pass  # hung up on
"""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that other users may go through, as the run directory of a device."""
    with tempfile.TemporaryDirectory(prefix="chargerd-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def gate_for(role: Role) -> Gate:
    """A gate at which the caller of `ask_as(..., role)` has this role. Who may not become another user plays the part
    with a group of its own.
    """
    if os.geteuid() == 0:
        return Gate(GROUP_IDS, frozenset({0}))
    return Gate({role: os.getgid()} if role else {}, frozenset())


async def ask_as(path: Path, role: Role, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """The replies to `requests` of a user whose groups give `role`."""
    gids = str(GROUP_IDS[role]) if role else ""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _ASK, str(path), str(STRANGER), gids,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    lines = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    told, _ = await asyncio.wait_for(process.communicate(lines), 20.0)
    return [json.loads(line) for line in told.splitlines()]
