"""What the launcher and the machine say about the slots, for the core and for looking at a bundle (ADR 106).

All of it is root's and only read here. Where the updater's own memory cannot be read, the first list of keys and the
version that runs stand in for it; the updater decides in any case.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from chargerd.config import FirmwareSettings
from chargerd.ocpp.firmware_update import Slots
from chargerd.ocpp.settings import FirmwareConfig
from firmware import keys
from firmware.errors import FirmwareError
from firmware.installers.directory import MAX_HEAD_BYTES
from firmware.place import STARTED, Settings, SettingsError, Started, open_place, read_settings, read_started
from firmware.verify import Device

MAX_LISTS_BYTES = 256 * 1024
_MARK = "-----BEGIN X509 CRL-----"

log = logging.getLogger("chargerd")


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """A machine with slots, as it was found at the start."""

    config: FirmwareConfig
    version: str
    settings: Settings
    started: Started

    @property
    def most_bytes(self) -> int:
        """No bundle for this machine is larger."""
        return self.settings.most_payload_bytes + MAX_HEAD_BYTES

    def device(self) -> Device:
        """What a bundle is held against now. Raises FirmwareError, OSError."""
        try:
            place = open_place(self.settings)
            return place.device(place.floor.read())
        except SettingsError:
            seed = keys.decode_file(Path(self.settings.key_list).read_bytes()).keys
        return Device(
            self.settings.product,
            self.settings.hardware,
            seed,
            self.started.security_version,
            self.settings.most_payload_bytes,
            frozenset({self.settings.installer.kind}),
        )


def slot_facts(site: FirmwareSettings, boot_id: str) -> SlotFacts | None:
    """None: nobody has said which slot runs, or it cannot be read; then the station works and is not updated.

    `boot_id`: of this start of the machine.
    """
    try:
        settings = read_settings(Path(site.settings))
        started = read_started(settings)
        launch = (Path(settings.run_dir) / STARTED).stat().st_mtime_ns
        lists = revocation_lists(site.crl_file)
    except (SettingsError, FirmwareError, OSError) as error:
        log.warning("firmware: there will be no updates (%s)", error)
        return None
    config = FirmwareConfig(
        running=Slots(slot=started.slot, manifest_sha256=started.manifest_sha256, start_id=f"{boot_id} {launch}"),
        passed_over=started.notes,
        revocations_pem=lists,
        unsigned=site.allow_unsigned,
        healthy_s=site.healthy_s,
        offline_grace_s=site.offline_grace_s,
    )
    return SlotFacts(config, started.version, settings, started)


def revocation_lists(crl_file: str | None) -> tuple[str, ...]:
    """The lists in a file, each in PEM and unread. Raises OSError, also for a file without any."""
    if crl_file is None:
        return ()
    with Path(crl_file).open("rb") as file:
        text = file.read(MAX_LISTS_BYTES + 1).decode("ascii", "replace")
    lists = tuple(f"{_MARK}{part}" for part in text.split(_MARK)[1:])
    if not lists or len(text) > MAX_LISTS_BYTES:
        raise OSError(
            f"{crl_file}: no revocation list in PEM, or more than {MAX_LISTS_BYTES} bytes; see firmware.crl_file"
        )
    return lists
