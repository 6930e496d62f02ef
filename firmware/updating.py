"""The three verbs of the updater: stage, activate, mark-good. What they are asked with is not believed.

A bundle comes as one descriptor of a file. Each byte is read from it once, verified, and only then written, so it does
not matter who changes the file meanwhile: what is in the slot is what was signed, or the slot is empty.
"""

import fcntl
import os
import stat
from collections.abc import Callable

from firmware import slots
from firmware.disk import Disk
from firmware.errors import FirmwareError, Refusal
from firmware.installers.directory import DirectoryWriter, check_head, check_slot
from firmware.place import Place, Started
from firmware.slots import Name, Slot, State
from firmware.verify import Device, Verifier

READ_BYTES = 256 * 1024

STAGE_WITHIN_S = 600.0
"""A gigabyte onto a card that takes 2 MB a second."""


class Updating:
    """The verbs, on the slots of `place`. `started`: what runs, and is spared. `monotonic`: the time in seconds."""

    def __init__(self, place: Place, started: Started, monotonic: Callable[[], float]) -> None:
        self._place = place
        self._running = started.slot
        self._monotonic = monotonic

    def stage(self, file: int) -> Verifier:
        """Verify the bundle that `file` holds, and put it into the slot that does not run.

        The head holds before the first byte of that slot is touched. While what runs is on trial, the other slot is
        what there is to fall back on. Raises FirmwareError, OSError; the slot is empty or untouched then.
        """
        check_descriptor(file)
        if self._place.record().slot(self._running).state is State.ON_TRIAL:
            raise FirmwareError(Refusal.ON_TRIAL, f"slot {self._running} runs on trial; mark it good first")
        name = self._running.other
        verifier = Verifier(self._place.device(self._place.floor.read()))
        give_up_mono = self._monotonic() + STAGE_WITHIN_S
        writer: DirectoryWriter | None = None
        offset = 0
        while data := os.pread(file, READ_BYTES, offset):
            if self._monotonic() > give_up_mono:
                raise FirmwareError(Refusal.TOO_SLOW, f"not staged within {STAGE_WITHIN_S:.0f} s")
            offset += len(data)
            verified = verifier.feed(data)
            if writer is None and verifier.has_head:
                writer = self._emptied(name)
            if writer is not None:
                writer.write(verified)
        verifier.finish()
        assert writer is not None, "can't happen because a bundle that is whole has a head"
        writer.close(verifier.head)
        check_slot(self._place.slots, name, self._place.device(self._place.floor.read()))
        self._place.save(slots.staged(self._place.record(), name, verifier.manifest_sha256))
        return verifier

    def activate(self, manifest_sha256: str) -> Verifier:
        """Start the staged slot next time, if it holds this bundle and is still what was signed.

        Raises FirmwareError, OSError; what was to be started next is then still so.
        """
        name = self._running.other
        record = self._place.record()
        verifier = check_staged(self._place, record.slot(name), name, manifest_sha256, check_slot)
        self._place.save(slots.activated(record, name))
        return verifier

    def mark_good(self) -> Verifier:
        """What runs has run well: it stays, and the floor rises to it. Raises FirmwareError, OSError.

        A power cut may leave a good slot above a floor that is too low; the launcher puts that right.
        """
        verifier = check_head(self._place.slots, self._running, self._place.device(0))
        self._place.confirm(self._running, verifier)
        return verifier

    def _emptied(self, name: Name) -> DirectoryWriter:
        self._place.save(slots.emptied(self._place.record(), self._running))
        return DirectoryWriter(self._place.slots, name)


def check_staged(
    place: Place, slot: Slot, name: Name, manifest_sha256: str, check: Callable[[Disk, Name, Device], Verifier]
) -> Verifier:
    """Whether this bundle is staged in slot `name`, by the record's `slot`, and still there, as `check` finds.

    Raises FirmwareError: NOTHING_STAGED, SLOT_DAMAGED and those of `check`; OSError.
    """
    if slot.state is not State.STAGED or slot.manifest_sha256 != manifest_sha256:
        raise FirmwareError(Refusal.NOTHING_STAGED, f"this bundle is not staged in slot {name}")
    verifier = check(place.slots, name, place.device(place.floor.read()))
    if verifier.manifest_sha256 != manifest_sha256:
        raise FirmwareError(Refusal.SLOT_DAMAGED, f"slot {name} holds another bundle than was staged")
    return verifier


def check_descriptor(file: int) -> None:
    """A file that can be read: no pipe, device or directory. Raises FirmwareError(BAD_REQUEST)."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise FirmwareError(Refusal.BAD_REQUEST, "the descriptor is not that of a file")
    if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
        raise FirmwareError(Refusal.BAD_REQUEST, "the descriptor cannot be read")
