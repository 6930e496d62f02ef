"""Decides at the start of the machine which slot runs, and proves it before anything of it is executed.

It lives outside the slots, runs as root, once, before the units whose programs are in the slot. A slot that is not what
was signed, is below the floor, or can be written by others is passed over, and it says why. This is no defence against
root, who can change the launcher as well; what is below it (verified boot) is (docs/firmware.md).
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from firmware import slots
from firmware.disk import why_not_protected
from firmware.errors import FirmwareError, Refusal
from firmware.installers.directory import check_slot
from firmware.installers.rauc import find_started
from firmware.place import Installer, Place, Started, forget_started, say_started
from firmware.rauc import Rauc
from firmware.slots import Name, Record, State
from firmware.verify import Verifier

EXIT_STARTED = 0
EXIT_NOTHING_TO_START = 1


class Launch:
    """One start of the machine. `notes`: what was refused and what could not be written, for the log."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._record = place.record()
        self.notes: list[str] = []

    def choose(self) -> Started:
        """The slot to run, verified. Raises FirmwareError(SLOT_DAMAGED) when there is none."""
        primary = self._record.slot(self._record.primary)
        if primary.state is State.ON_TRIAL and not primary.tries_left:
            self._pass_over(self._record.primary, "its tries ran out")
        floor = self._floor()
        for name in slots.order(self._record):
            try:
                self._count_try(name)
                verifier = check_slot(self._place.slots, name, self._place.device(floor))
            except FirmwareError as refused:
                self._pass_over(name, str(refused))
            except OSError as error:
                self._pass_over(name, f"{Refusal.MEDIUM_FAILED}: {error}")
            else:
                self._settle(name, verifier)
                return _started(name, verifier, self.notes)
        raise FirmwareError(Refusal.SLOT_DAMAGED, "no slot can be started: " + "; ".join(self.notes))

    def _floor(self) -> int:
        """A floor that cannot be read stops updates, not the charger: whatever is in a slot was signed."""
        try:
            return self._place.floor.read()
        except (FirmwareError, OSError) as error:
            self.notes.append(f"the floor of the security version is not known ({error}), ignoring")
            return 0

    def _count_try(self, name: Name) -> None:
        """Before anything else is done with the slot. A try that cannot be counted is not made. Raises OSError."""
        counted = slots.tried(self._record, name)
        if counted != self._record:
            self._place.save(counted)
            self._record = counted

    def _pass_over(self, name: Name, why: str) -> None:
        self.notes.append(f"slot {name}: {why}")
        self._save(slots.given_up(self._record, name))

    def _settle(self, name: Name, verifier: Verifier) -> None:
        """Finish what a power cut may have left undone after the slot was confirmed."""
        slot = self._record.slot(name)
        if slot.state is State.GOOD and slot.manifest_sha256 == verifier.manifest_sha256:
            try:
                self._place.settle(verifier)
            except OSError as error:
                self.notes.append(f"floor and keys cannot be written ({error}), ignoring")

    def _save(self, record: Record) -> None:
        if record == self._record:
            return
        self._record = record
        try:
            self._place.save(record)
        except OSError as error:
            self.notes.append(f"the record of the slots cannot be written ({error}), ignoring")


def launch(place: Place, code: Iterable[Path], rauc: Rauc | None = None) -> Started:
    """Choose, and say so where units and updater look. `code`: what else is executed, apart from the slots.

    Where RAUC has the slots the boot loader has chosen, and `rauc` is asked what. INSTALLER_FAILED then, too.

    Raises FirmwareError: WRITABLE_CODE, SLOT_DAMAGED; OSError when it cannot be said.
    """
    forget_started(place.settings)
    for path in (*code, Path(place.settings.slots_dir)):
        if unsafe := why_not_protected(path):
            raise unsafe
    if place.settings.installer is Installer.RAUC:
        started = find_started(place, rauc or Rauc())
    else:
        started = Launch(place).choose()
    say_started(place.settings, started)
    return started


def own_code() -> list[Path]:
    """The interpreter, all that this process imports from, and each file that it has imported."""
    files = {str(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)}
    return [Path(path) for path in sorted({sys.executable, *filter(None, sys.path), *files}) if Path(path).exists()]


def _started(name: Name, verifier: Verifier, notes: list[str]) -> Started:
    manifest = verifier.manifest
    assert manifest is not None, "can't happen because the slot has been verified"
    return Started(name, manifest.version, manifest.security_version, verifier.manifest_sha256, tuple(notes))
