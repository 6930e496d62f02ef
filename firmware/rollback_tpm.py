"""The floor under the security version in a TPM, which cannot be lowered even by root.

An NV index of 64 bits, of the kind whose bits can be set and never cleared (TPM 2.0 part 2, 13.2, TPM_NT_BITS): bit n
is the security version n + 1. It is spoken to over the kernel's resource manager in the two commands that it takes;
whoever makes the device defines the index, and sets the owner's authorization so that nobody can delete it
(docs/firmware.md).
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path

from firmware.errors import FirmwareError, Refusal

INDEX = 0x0180F100
"""In the owner's range of NV indices."""

DEVICE = Path("/dev/tpmrm0")

HIGHEST = 64
"""Raised for holes that must never come back: one a year is many."""

Exchange = Callable[[bytes], bytes]
"""One command of the TPM to its response. Raises OSError."""

_HEADER = struct.Struct(">HII")
_WITH_SESSIONS = 0x8002
_NV_SET_BITS, _NV_READ = 0x135, 0x14E
_VALUE_BYTES = 8
_EMPTY_PASSWORD = struct.pack(">IIHBH", 9, 0x40000009, 0, 0, 0)
"""The authorization area: its length, then TPM_RS_PW with no nonce, no attributes and an empty password."""

_MAX_RESPONSE_BYTES = 4096


class TpmFloor:
    """A Floor (rollback.py) in the NV index `index`."""

    most = HIGHEST

    def __init__(self, exchange: Exchange, index: int = INDEX) -> None:
        self._exchange = exchange
        self._index = index

    def read(self) -> int:
        """See Floor. An index that is not there, or was never written, is not taken for nothing."""
        try:
            answer = self._command(_NV_READ, struct.pack(">HH", _VALUE_BYTES, 0))
        except OSError as error:
            raise FirmwareError(Refusal.FLOOR_UNREADABLE, str(error)) from None
        if len(answer) < 2 + _VALUE_BYTES or answer[:2] != struct.pack(">H", _VALUE_BYTES):
            raise FirmwareError(Refusal.FLOOR_UNREADABLE, f"the TPM answers with {len(answer)} bytes")
        return int.from_bytes(answer[2 : 2 + _VALUE_BYTES], "big").bit_length()

    def raise_to(self, security_version: int) -> None:
        """See Floor. A bit that is set again stays set, and costs the chip no write."""
        assert security_version <= HIGHEST, "can't happen because a device refuses bundles above `most`"
        if security_version:
            self._command(_NV_SET_BITS, struct.pack(">Q", 1 << (security_version - 1)))

    def _command(self, code: int, parameters: bytes) -> bytes:
        """What a command gives back, without what stands around it. Raises OSError."""
        body = struct.pack(">II", self._index, self._index) + _EMPTY_PASSWORD + parameters
        response = self._exchange(_HEADER.pack(_WITH_SESSIONS, _HEADER.size + len(body), code) + body)
        if len(response) < _HEADER.size:
            raise OSError(f"the TPM answers with {len(response)} bytes")
        tag, _, failure = _HEADER.unpack_from(response)
        if failure:
            raise OSError(f"the TPM refuses: {failure:#x} for NV index {self._index:#x}")
        if tag != _WITH_SESSIONS:
            raise OSError(f"the TPM answers with the tag {tag:#x}")
        return response[_HEADER.size + 4 :]


def exchange_over(device: Path) -> Exchange:
    """The TPM behind a device of the kernel, opened for one command at a time: nothing of ours stays in it."""

    def exchange(command: bytes) -> bytes:
        file = os.open(device, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(file, command)
            return os.read(file, _MAX_RESPONSE_BYTES)
        finally:
            os.close(file)

    return exchange
