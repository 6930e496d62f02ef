"""RAUC as a program with fixed words: its status, an installation, a mark (ADR 108).

`rauc` asks RAUC's service over D-Bus and ends. No word comes from outside: the path is root's own, the rest are
constants. RAUC names slots as its system.conf does; here the two that can be booted are a and b, in the order of
those names.
"""

import subprocess
from collections.abc import Mapping
from typing import Literal

import msgspec

from firmware.errors import FirmwareError, Refusal
from firmware.slots import Name

PROGRAM = "/usr/bin/rauc"

ASK_WITHIN_S = 30.0
"""A status or a mark; the service may have to be started for it."""

_MAX_SAID_BYTES = 64 * 1024
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
_SEQUENCE, _CONTENT = 0x30, 0xA0


class _Slot(msgspec.Struct):
    state: str
    bootname: str | None = None
    boot_status: str | None = None


class _Said(msgspec.Struct):
    slots: tuple[dict[str, _Slot], ...]
    boot_primary: str | None = None


class Status(msgspec.Struct, frozen=True):
    """What RAUC and the boot loader know. `primary`: started next, None: neither; `good`: may be started."""

    booted: Name
    primary: Name | None
    good: frozenset[Name]


class Rauc:
    """RAUC's service, asked by its own program. `environment`: of that program; empty, it takes the system's bus."""

    def __init__(self, environment: Mapping[str, str] | None = None, program: str = PROGRAM) -> None:
        self._environment = dict(environment or {})
        self._program = program

    def status(self) -> Status:
        """Raises FirmwareError(INSTALLER_FAILED)."""
        return decode_status(self._run(ASK_WITHIN_S, "status", "--output-format=json"))

    def install(self, path: str, within_s: float) -> None:
        """The bundle at `path` into the slot that is not booted, which cannot be booted meanwhile.

        Raises FirmwareError: INSTALLER_FAILED with RAUC's own reason; TOO_SLOW, and then RAUC may still be writing.
        """
        self._run(within_s, "install", path)

    def mark(self, what: Literal["good", "active"], which: Literal["booted", "other"]) -> None:
        """Raises FirmwareError(INSTALLER_FAILED)."""
        self._run(ASK_WITHIN_S, "status", f"mark-{what}", which)

    def _run(self, within_s: float, *words: str) -> bytes:
        try:
            done = subprocess.run(
                [self._program, *words],
                env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=within_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FirmwareError(Refusal.TOO_SLOW, f"RAUC's {words[0]} did not end within {within_s:.0f} s") from None
        except OSError as error:
            raise FirmwareError(Refusal.INSTALLER_FAILED, f"{self._program}: {error.strerror}") from None
        if done.returncode != 0:
            raise FirmwareError(Refusal.INSTALLER_FAILED, f"RAUC's {words[0]}: {why_failed(done.stdout, done.stderr)}")
        return done.stdout[:_MAX_SAID_BYTES]


def why_failed(stdout: bytes, stderr: bytes) -> str:
    """RAUC's LastError in what its program has printed, else the last line of it."""
    lines = [line for line in (stdout + b"\n" + stderr).decode("ascii", "replace").splitlines() if line.strip()]
    told = [line.partition("LastError: ")[2] for line in lines if line.startswith("LastError: ")]
    return [*(lines[-1:] or ["it said nothing"]), *told][-1]


def decode_status(said: bytes) -> Status:
    """Of the JSON that `rauc status` prints. Raises FirmwareError(INSTALLER_FAILED)."""
    try:
        found = msgspec.json.decode(said, type=_Said)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise FirmwareError(Refusal.INSTALLER_FAILED, f"RAUC's status cannot be read: {error}") from None
    bootable = {name: slot for each in found.slots for name, slot in each.items() if slot.bootname is not None}
    if len(bootable) != len(Name):
        raise FirmwareError(Refusal.INSTALLER_FAILED, f"RAUC has {len(bootable)} slots to boot, expected 2")
    names = dict(zip(sorted(bootable), Name, strict=True))
    booted = [names[name] for name, slot in bootable.items() if slot.state == "booted"]
    if len(booted) != 1:
        raise FirmwareError(Refusal.INSTALLER_FAILED, "RAUC does not know which slot is booted")
    good = frozenset(names[name] for name, slot in bootable.items() if slot.boot_status == "good")
    return Status(booted[0], names.get(found.boot_primary or ""), good)


# ---- the format of a bundle ----

MAX_SIGNATURE_BYTES = 64 * 1024
LENGTH_BYTES = 8
TAIL_BYTES = MAX_SIGNATURE_BYTES + LENGTH_BYTES


def is_plain(tail: bytes) -> bool:
    """Whether a RAUC bundle that ends so has the format "plain": its CMS signature lies beside what it signs.

    In the others (verity, crypt) a manifest with the root hash of a dm-verity tree is inside. Raises
    FirmwareError(MALFORMED) for what ends like no bundle.
    """
    length = int.from_bytes(tail[-LENGTH_BYTES:], "big")
    if not 0 < length <= min(MAX_SIGNATURE_BYTES, len(tail) - LENGTH_BYTES):
        raise FirmwareError(Refusal.MALFORMED, "is no RAUC bundle: the length of its signature is wrong")
    message = _inside(tail[-LENGTH_BYTES - length : -LENGTH_BYTES], _SEQUENCE)
    if message.startswith(_ENVELOPED_DATA):
        return False
    if not message.startswith(_SIGNED_DATA):
        raise FirmwareError(Refusal.MALFORMED, "is no RAUC bundle: its signature is no CMS")
    signed = _inside(_inside(message[len(_SIGNED_DATA) :], _CONTENT), _SEQUENCE)
    content = _inside(_after(_after(signed)), _SEQUENCE)  # after the version and the digests
    return not _after(content).startswith(bytes([_CONTENT]))


def _after(der: bytes) -> bytes:
    """What follows the first element."""
    return der[_bounds(der)[1] :]


def _inside(der: bytes, tag: int) -> bytes:
    """The content of the first element, which has this tag."""
    if der[:1] != bytes([tag]):
        raise FirmwareError(Refusal.MALFORMED, "is no RAUC bundle: its signature is no CMS")
    start, end = _bounds(der)
    return der[start:end]


def _bounds(der: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends. Its tag and a short length are one byte each."""
    start, length = 2, der[1] if len(der) > 1 else 0x80
    if length > 0x80:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
    elif length == 0x80:
        raise FirmwareError(Refusal.MALFORMED, "is no RAUC bundle: its signature has a part without a length")
    if start + length > len(der):
        raise FirmwareError(Refusal.MALFORMED, "is no RAUC bundle: its signature is cut short")
    return start, start + length
