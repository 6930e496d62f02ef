"""Whole systems in two slots, written and started by RAUC; the three verbs are the same (ADR 108).

The payload of our bundle is a bundle of RAUC's. Each byte of it is verified, then written to a file that only root can
open; RAUC is given that file's name, verifies its own signature, and writes the slot that is not booted. In slots_dir:

    bundle.raucb    while RAUC reads it
    a/head          all that stood before the payload: signatures and manifest of what is in slot a

Which slot is booted, primary and good is RAUC's and the boot loader's to know, as are the tries. Our record says which
bundle was staged, and is therefore on trial.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from firmware import slots
from firmware.disk import FILE_MODE, Disk, remove_tree
from firmware.errors import FirmwareError, Refusal
from firmware.installers.directory import check_head
from firmware.place import Place, Started
from firmware.rauc import TAIL_BYTES, Rauc, is_plain
from firmware.slots import Name, Record, State
from firmware.updating import READ_BYTES, STAGE_WITHIN_S, check_descriptor, check_staged
from firmware.verify import Verifier

BUNDLE = "bundle.raucb"
_BUNDLE_MODE = 0o600


class BundleWriter:
    """The file that RAUC is given. Give it verified bytes only."""

    def __init__(self, disk: Disk) -> None:
        """A new file, so that whoever still reads the one before is left alone. Raises OSError."""
        self._disk = disk
        self._tail = b""
        forget_bundle(disk)
        disk.create(BUNDLE, _BUNDLE_MODE)

    def write(self, data: bytes) -> None:
        """The next verified bytes of the payload. Raises OSError."""
        self._disk.append(BUNDLE, data)
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    def close(self, *, plain_allowed: bool) -> None:
        """All bytes were given. Raises FirmwareError: MALFORMED, WRONG_KIND; OSError."""
        if is_plain(self._tail) and not plain_allowed:
            raise FirmwareError(Refusal.WRONG_KIND, "is a RAUC bundle of the format plain; make it with format=verity")
        self._disk.sync(BUNDLE)


class RaucUpdating:
    """The verbs, on RAUC's slots. `monotonic`: the time in seconds."""

    def __init__(self, place: Place, rauc: Rauc, monotonic: Callable[[], float]) -> None:
        self._place = place
        self._rauc = rauc
        self._monotonic = monotonic

    def stage(self, file: int) -> Verifier:
        """Verify the bundle that `file` holds, and have RAUC write it into the slot that is not booted.

        The whole bundle holds before RAUC hears of it. Raises FirmwareError, OSError; the slot that is not booted is
        then as it was, or cannot be booted.
        """
        check_descriptor(file)
        running = self._rauc.status().booted
        if self._place.record().slot(running).state is State.ON_TRIAL:
            raise FirmwareError(Refusal.ON_TRIAL, f"slot {running} runs on trial; mark it good first")
        give_up_mono = self._monotonic() + STAGE_WITHIN_S
        try:
            verifier = self._received(file, give_up_mono)
            self._install(verifier, running, give_up_mono)
        finally:
            forget_bundle(self._place.slots)
        return verifier

    def activate(self, manifest_sha256: str) -> Verifier:
        """Have the boot loader start the staged slot next time, if it holds this bundle.

        Raises FirmwareError, OSError; what was to be started next is then still so.
        """
        name = self._rauc.status().booted.other
        record = self._place.record()
        verifier = check_staged(self._place, record.slot(name), name, manifest_sha256, check_head)
        # Ours first: a slot that starts without being known to be on trial could be taken for good.
        self._place.save(slots.activated(record, name))
        try:
            self._rauc.mark("active", "other")
        except FirmwareError:
            self._place.save(record)
            raise
        return verifier

    def mark_good(self) -> Verifier:
        """What runs has run well: it stays, and the floor rises to it. Raises FirmwareError, OSError."""
        running = self._rauc.status().booted
        verifier = check_head(self._place.slots, running, self._place.device(0))
        self._rauc.mark("good", "booted")
        self._place.confirm(running, verifier)
        return verifier

    def _received(self, file: int, give_up_mono: float) -> Verifier:
        """The payload in a file of ours, verified whole."""
        verifier = Verifier(self._place.device(self._place.floor.read()))
        writer: BundleWriter | None = None
        offset = 0
        while data := os.pread(file, READ_BYTES, offset):
            if self._monotonic() > give_up_mono:
                raise FirmwareError(Refusal.TOO_SLOW, f"not staged within {STAGE_WITHIN_S:.0f} s")
            offset += len(data)
            verified = verifier.feed(data)
            if writer is None and verifier.has_head:
                writer = BundleWriter(self._place.slots)
            if writer is not None:
                writer.write(verified)
        verifier.finish()
        assert writer is not None, "can't happen because a bundle that is whole has a head"
        writer.close(plain_allowed=self._place.settings.rauc_plain)
        return verifier

    def _install(self, verifier: Verifier, running: Name, give_up_mono: float) -> None:
        place, name = self._place, running.other
        place.save(slots.emptied(place.record(), running))
        write_head(place.slots, name, verifier.head)
        self._keep_first(running)
        within_s = max(give_up_mono - self._monotonic(), 1.0)
        self._rauc.install(str(Path(place.settings.slots_dir) / BUNDLE), within_s)
        # RAUC's own setting says whether what was installed is started next; here that is another verb.
        self._keep_first(running)
        place.save(slots.staged(place.record(), name, verifier.manifest_sha256))

    def _keep_first(self, running: Name) -> None:
        if self._rauc.status().primary is not running:
            self._rauc.mark("active", "booted")


def write_head(disk: Disk, name: Name, head: bytes) -> None:
    """What is in a slot, or soon will be. Raises OSError."""
    remove_tree(disk, name)
    disk.make_directory(name)
    disk.create(f"{name}/head", FILE_MODE)
    disk.append(f"{name}/head", head)
    disk.sync(f"{name}/head")
    disk.sync_directory(name)
    disk.sync_directory("")


def forget_bundle(disk: Disk) -> None:
    """Raises OSError."""
    with suppress(FileNotFoundError):
        disk.remove(BUNDLE)


# ---- at the start of the machine ----


def find_started(place: Place, rauc: Rauc) -> Started:
    """Which slot the boot loader has started; what a power cut has left undone is finished.

    A slot on trial from which the boot loader went back is given up, and a note says so. Raises FirmwareError, OSError.
    """
    status = rauc.status()
    verifier = check_head(place.slots, status.booted, place.device(0))
    record, notes = place.record(), []
    other = status.booted.other
    is_next = status.primary is other and other in status.good  # activated, and the machine not started since
    if record.slot(other).state is State.ON_TRIAL and not is_next:
        record = slots.given_up(record, other)
        place.save(record)
        notes.append(f"slot {other}: the boot loader went back from it")
    if _is_confirmed(record, status.booted, verifier):
        place.settle(verifier)
    manifest = verifier.manifest
    assert manifest is not None, "can't happen because the head of the slot has been verified"
    return Started(status.booted, manifest.version, manifest.security_version, verifier.manifest_sha256, tuple(notes))


def _is_confirmed(record: Record, name: Name, verifier: Verifier) -> bool:
    slot = record.slot(name)
    return slot.state is State.GOOD and slot.manifest_sha256 == verifier.manifest_sha256
