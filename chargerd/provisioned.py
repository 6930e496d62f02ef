"""What the maker gave this device: its first client certificate, an open request for one, and roots.

One file in a folder of its own, written whole or not at all. It is what the station starts from; what the CSMS changes
later is in the store and does not touch it. The private keys are in the key store, which spares those named here: a
device can always go back to what it left the factory with.
"""

import logging
import os
from pathlib import Path

import msgspec

from chargerd.codec import CodecError, decode, encode
from chargerd.identity import IdentityError
from chargerd.keys_file import sync_folder
from chargerd.ocpp.effects import ClientCertificate

log = logging.getLogger("provisioned")

MAX_RECORD_BYTES = 512 * 1024
"""Fifty certificates are some 100 kB."""


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose certificate has not come back yet, and whom that is to name. `csr_pem` is empty while it is made."""

    key_id: str
    common_name: str
    organization: str
    csr_pem: str = ""


class ProvisionedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The file. Roots: one certificate each, PEM."""

    client: ClientCertificate | None = None
    request: OpenRequest | None = None
    csms_roots_pem: tuple[str, ...] = ()
    manufacturer_roots_pem: tuple[str, ...] = ()


class Provisioned:
    """The file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "identity.json"

    def read(self) -> ProvisionedRecord:
        """What is there; nothing, where nothing was provisioned. Raises IdentityError."""
        try:
            return decode(ProvisionedRecord, self.path.read_bytes(), max_bytes=MAX_RECORD_BYTES)
        except FileNotFoundError:
            return ProvisionedRecord()
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be read ({error.strerror}); is it the station's own?") from error
        except CodecError as error:
            raise IdentityError(f"{self.path}: damaged ({error}); remove it and provision the device again") from error

    def at_start(self) -> ProvisionedRecord:
        """What a station starts from. It has had what it needs of it in its store since its first start, so a file that
        is damaged now is told and does not stop it.
        """
        try:
            return self.read()
        except IdentityError as error:
            log.error("%s", error)
            return ProvisionedRecord()

    def write(self, record: ProvisionedRecord) -> None:
        """Put `record` in its place, for good. Raises IdentityError."""
        beside = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
                file.write(encode(record))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be written ({error.strerror}); check space and owner") from error

    def key_ids(self) -> tuple[str, ...]:
        """The keys that are named here. Raises IdentityError: as long as that is not known, no key is destroyed."""
        record = self.read()
        return tuple(each.key_id for each in (record.client, record.request) if each is not None)
