"""Where a device keeps its slots and what it trusts: the settings, and the files of the updater and the launcher.

Three directories, all root's: the slots, the state (record, floor, keys that came by bundle), and one that is empty
after each start of the machine, where the launcher says what it has started.
"""

import errno
import os
import tomllib
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from firmware import keys, slots
from firmware.bundle import MAX_PAYLOAD_BYTES, Kind
from firmware.disk import Disk, Folder, read_all, replace, why_not_protected
from firmware.errors import FirmwareError, Refusal
from firmware.keys import KeyList
from firmware.rollback import FileFloor, Floor
from firmware.rollback_tpm import DEVICE, TpmFloor, exchange_over
from firmware.slots import Record
from firmware.values import Name, Sha256Hex
from firmware.verify import Device, Verifier

SETTINGS = Path("/etc/chargerd/firmware.toml")

_MAX_SETTINGS_BYTES = 16 * 1024
_MAX_STARTED_BYTES = 4096
_RECORD, _KEYS, _CURRENT = "slots", "keys", "current"

STARTED = "started.json"
"""In the directory `run_dir`: what the launcher has started."""


class Installer(StrEnum):
    """Who writes and starts slots: we, and they are directories; or RAUC, and they are whole systems."""

    DIRECTORY = "directory"
    RAUC = "rauc"

    @property
    def kind(self) -> Kind:
        """What it takes as a payload."""
        return Kind.TREE if self is Installer.DIRECTORY else Kind.RAW


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the maker of a device puts into it. `key_list`: the file of the first list; `users` may ask the updater.

    `floor_in_tpm`: the floor of the security version is kept in a TPM (rollback_tpm.py) rather than in files.
    `rauc_plain`: for tests of `installer = "rauc"`, on machines without dm-verity; a device leaves it false.
    """

    product: Name
    hardware: Name
    key_list: str = "/etc/chargerd/firmware-keys"
    slots_dir: str = "/opt/chargerd/slots"
    state_dir: str = "/var/lib/chargerd-updater"
    run_dir: str = "/run/chargerd-firmware"
    users: tuple[str, ...] = ("chargerd",)
    floor_in_tpm: bool = False
    installer: Installer = Installer.DIRECTORY
    rauc_plain: bool = False
    most_payload_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAYLOAD_BYTES)] = 1024**3


class SettingsError(Exception):
    """The settings cannot be used: which file, what is wrong."""


class Started(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the launcher has started. `notes`: which slots it passed over and why, and what else it could not do."""

    slot: slots.Name
    version: str
    security_version: int
    manifest_sha256: Sha256Hex
    notes: tuple[str, ...] = ()


def read_settings(path: Path) -> Settings:
    """Raises SettingsError."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_SETTINGS_BYTES + 1)
        if len(text) > _MAX_SETTINGS_BYTES:
            raise SettingsError(f"{path}: longer than {_MAX_SETTINGS_BYTES} bytes")
        return msgspec.convert(tomllib.loads(text.decode()), Settings)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error


class Place:
    """The device's own memory of its firmware, on two disks: `slots` and `state`. `seed`: the first list of keys.

    `floor`: where it is not kept in files of `state`.
    """

    def __init__(
        self, settings: Settings, slot_disk: Disk, state: Disk, seed: KeyList, floor: Floor | None = None
    ) -> None:
        self.settings = settings
        self.slots = slot_disk
        self.floor: Floor = floor or FileFloor(state)
        self._state = state
        self._seed = seed

    def record(self) -> Record:
        """Which slots there are. What cannot be read is unknown."""
        try:
            return slots.decode(read_all(self._state, _RECORD, slots.MAX_RECORD_BYTES))
        except OSError:
            return slots.UNKNOWN

    def save(self, record: Record) -> None:
        """Raises OSError."""
        replace(self._state, _RECORD, record.encode())

    def keys(self) -> KeyList:
        """The newest list. One that came by bundle and is damaged now is as good as none."""
        with suppress(OSError, FirmwareError):
            stored = read_all(self._state, _KEYS, keys.MAX_SECTION_BYTES)
            newest = keys.decode_file(stored).keys if stored is not None else self._seed
            if newest.version > self._seed.version and newest.product == self._seed.product:
                return newest
        return self._seed

    def device(self, floor: int) -> Device:
        """What a bundle has to fit."""
        return Device(
            self.settings.product,
            self.settings.hardware,
            self.keys(),
            floor,
            self.settings.most_payload_bytes,
            frozenset({self.settings.installer.kind}),
            self.floor.most,
        )

    def confirm(self, name: slots.Name, verifier: Verifier) -> None:
        """What runs in slot `name` has run well: it stays, and `settle`. Raises OSError."""
        record = self.record()
        confirmed = slots.confirmed(record, name)
        if confirmed != record:
            self.save(confirmed)
        self.settle(verifier)

    def settle(self, verifier: Verifier) -> None:
        """What follows from a slot having proved good: the floor rises to it, and its list of keys is the device's.

        Done again it changes nothing. Raises OSError.
        """
        assert verifier.manifest is not None, "can't happen because the head of the slot has been verified"
        self.floor.raise_to(verifier.manifest.security_version)
        if verifier.key_list is not None:
            replace(self._state, _KEYS, verifier.key_list.encode())


def open_place(settings: Settings) -> Place:
    """Raises SettingsError for a list of keys that cannot be used, or directories that are not there or not root's."""
    for path in (settings.key_list, settings.state_dir, settings.slots_dir):
        if Path(path).exists() and (unsafe := why_not_protected(Path(path))):
            raise SettingsError(unsafe.why)
    try:
        seed = keys.decode_file(Path(settings.key_list).read_bytes()).keys
        if seed.product != settings.product:
            raise SettingsError(f"{settings.key_list}: is for {seed.product}, and the settings say {settings.product}")
        floor = TpmFloor(exchange_over(DEVICE)) if settings.floor_in_tpm else None
        return Place(settings, Folder(Path(settings.slots_dir)), Folder(Path(settings.state_dir)), seed, floor)
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from error
    except FirmwareError as refused:
        raise SettingsError(f"{settings.key_list}: {refused}") from refused


# ---- what was started ----


def say_started(settings: Settings, started: Started) -> None:
    """For the updater, the station and the units, which run `current` where slots are trees. Raises OSError."""
    run = Path(settings.run_dir)
    run.mkdir(mode=0o755, parents=True, exist_ok=True)
    if settings.installer.kind is Kind.TREE:
        new = run / f"{_CURRENT}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(Path(settings.slots_dir) / started.slot / "tree")
        new.rename(run / _CURRENT)
    new = run / f"{STARTED}.new"
    new.write_bytes(msgspec.json.encode(started))
    new.rename(run / STARTED)


def forget_started(settings: Settings) -> None:
    """Until a slot is proved, none is named: units that would run it have nothing to run. Raises OSError."""
    for name in (STARTED, _CURRENT):
        (Path(settings.run_dir) / name).unlink(missing_ok=True)


def read_started(settings: Settings) -> Started:
    """Raises FirmwareError(NOT_ALLOWED) where no launcher has started anything: it is not known what to spare."""
    try:
        with (Path(settings.run_dir) / STARTED).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_STARTED_BYTES), type=Started)
    except (OSError, msgspec.DecodeError) as error:
        why = os.strerror(errno.ENOENT) if isinstance(error, FileNotFoundError) else str(error)
        raise FirmwareError(Refusal.NOT_ALLOWED, f"no launcher has said which slot runs ({why})") from None
