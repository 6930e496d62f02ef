"""The station's end of the updater's socket (firmware/updater.py): three requests, each with an end.

The updater believes nothing it is told; nor is it believed more than it says. A refusal is a refusal, no connection
means that nothing was done, and an answer that does not come means that nobody knows.
"""

import array
import asyncio
import contextlib
import os
import socket
from pathlib import Path

import msgspec

from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import Finding
from firmware.errors import Refusal
from firmware.updater import Activate, Answer, MarkGood, Stage

SOCKET = Path("/run/chargerd-updater.sock")

STAGE_WITHIN_S = 900.0
"""It gives itself ten minutes for the medium, after it has dealt with whoever came before."""

ACTIVATE_WITHIN_S = 300.0
"""The slot is read once more."""

MARK_GOOD_WITHIN_S = 60.0
MAX_ANSWER_BYTES = 16 * 1024

OF_THE_DEVICE = frozenset(
    {
        Refusal.BAD_REQUEST,
        Refusal.NOT_ALLOWED,
        Refusal.ON_TRIAL,
        Refusal.NOTHING_STAGED,
        Refusal.SLOT_DAMAGED,
        Refusal.FLOOR_UNREADABLE,
        Refusal.MEDIUM_FAILED,
        Refusal.TOO_SLOW,
        Refusal.INSTALLER_FAILED,
    }
)
"""These say that it could not be done; all others that the bundle is not to be installed."""


class UpdaterClient:
    """Asks the updater behind `path`."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path

    async def stage(self, file: int) -> Answer:
        """Have the bundle in `file` written to the slot that does not run. Raises JobFailed."""
        return await self._ask(Stage(), STAGE_WITHIN_S, file)

    async def activate(self, manifest_sha256: str) -> Answer:
        """Have it started next time. Raises JobFailed."""
        return await self._ask(Activate(manifest_sha256), ACTIVATE_WITHIN_S)

    async def mark_good(self) -> Answer:
        """Have what runs kept. Raises JobFailed."""
        return await self._ask(MarkGood(), MARK_GOOD_WITHIN_S)

    async def _ask(self, request: Stage | Activate | MarkGood, within_s: float, file: int | None = None) -> Answer:
        sent = False
        loop = asyncio.get_running_loop()
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as connection:
            connection.setblocking(False)
            try:
                async with asyncio.timeout(within_s):
                    await loop.sock_connect(connection, str(self._path))
                    sent = True
                    _send(connection, msgspec.json.encode(request), file)
                    packet = await loop.sock_recv(connection, MAX_ANSWER_BYTES)
                    answer = msgspec.json.decode(packet, type=Answer)
            except (OSError, TimeoutError, msgspec.DecodeError) as error:
                what = str(error) or type(error).__name__
                raise JobFailed(f"the updater did not answer ({what})", Finding.UNKNOWN if sent else "") from error
        if answer.refusal:
            finding = "" if answer.refusal in OF_THE_DEVICE else Finding.REFUSED
            raise JobFailed(f"the updater refuses ({answer.refusal}: {answer.why})", finding)
        return answer


def _send(connection: socket.socket, packet: bytes, file: int | None) -> None:
    passed = () if file is None else ((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]).tobytes()),)
    if connection.sendmsg([packet], passed) != len(packet):
        raise OSError(f"a packet of {len(packet)} bytes was cut (pid {os.getpid()})")
