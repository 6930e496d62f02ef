"""The kinds "verify", "stage", "activate" and "mark-good": what was downloaded is looked at, and the updater is asked.

The file is opened once and read from that one descriptor, so nothing can be changed between the two signatures. What is
staged is looked at again just before, and the same descriptor is handed on; the updater then verifies for itself.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from chargerd import codec
from chargerd.downloads import Folder
from chargerd.jobs import JobFailed
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, Activate, Check, Finding, Stage, Verified
from chargerd.updater_client import UpdaterClient
from firmware.errors import FirmwareError, Refusal
from firmware.ocpp_signature import FileSignature, check_certificate
from firmware.verify import Device, Verifier

READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class FirmwareJobs:
    """`device`: what a bundle is held against now."""

    folder: Folder
    device: Callable[[], Device]
    updater: UpdaterClient

    async def verify(self, arguments: msgspec.Raw) -> str:
        """Both signatures, in a worker thread. Raises JobFailed."""
        order = codec.decode(Check, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        file = self._opened(order.key)
        try:
            return codec.encode(await asyncio.to_thread(verified, file, order, self.device())).decode()
        finally:
            os.close(file)

    async def stage(self, arguments: msgspec.Raw) -> None:
        """Both once more, and then the updater has the descriptor. Raises JobFailed."""
        order = codec.decode(Stage, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        file = self._opened(order.check.key)
        try:
            found = await asyncio.to_thread(verified, file, order.check, self.device())
            if found.manifest_sha256 != order.manifest_sha256:
                raise JobFailed("the file is not the one that was verified before", Finding.REFUSED)
            answer = await self.updater.stage(file)
        finally:
            os.close(file)
        if answer.manifest_sha256 != order.manifest_sha256:
            raise JobFailed("the updater has staged another bundle", Finding.REFUSED)

    async def activate(self, arguments: msgspec.Raw) -> None:
        """The next start takes the other slot. Raises JobFailed."""
        order = codec.decode(Activate, arguments, max_bytes=MAX_ARGUMENT_BYTES)
        await self.updater.activate(order.manifest_sha256)

    async def mark_good(self, _arguments: msgspec.Raw) -> None:
        """The slot that runs stays. Raises JobFailed."""
        await self.updater.mark_good()

    def _opened(self, key: str) -> int:
        try:
            return self.folder.open(key)
        except OSError as error:
            raise JobFailed(f"what was downloaded cannot be opened ({error.strerror})") from error


def verified(file: int, order: Check, device: Device) -> Verified:
    """The whole file, read once. Raises JobFailed: the signature of the file is judged before the bundle."""
    signature = _file_signature(order)
    verifier = Verifier(device)
    refused: FirmwareError | None = None
    offset = 0
    try:
        while data := os.pread(file, READ_BYTES, offset):
            offset += len(data)
            if signature is not None:
                signature.feed(data)
            if refused is None:
                refused = _fed(verifier, data)
    except OSError as error:
        raise JobFailed(f"what was downloaded cannot be read ({error.strerror})") from error
    if signature is not None:
        try:
            signature.finish()
        except FirmwareError as error:
            raise JobFailed(str(error), Finding.INVALID_SIGNATURE) from error
    try:
        manifest = verifier.finish()
    except FirmwareError as error:
        raise JobFailed(str(error), Finding.REFUSED) from error
    return Verified(manifest_sha256=verifier.manifest_sha256, version=manifest.version)


def _file_signature(order: Check) -> FileSignature | None:
    """None: there is none, and none is asked for (L02). Raises JobFailed."""
    if not order.certificate_pem:
        return None
    roots = [pem.encode() for pem in order.roots_pem]
    lists = [pem.encode() for pem in order.revocations_pem]
    try:
        key = check_certificate(order.certificate_pem, roots, order.at_utc, floor_utc=order.at_utc, revocations=lists)
        return FileSignature(key, order.signature)
    except FirmwareError as error:
        finding = Finding.INVALID_CERTIFICATE
        if error.refusal is Refusal.BAD_FILE_SIGNATURE:
            finding = Finding.INVALID_SIGNATURE
        raise JobFailed(str(error), finding) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise JobFailed(f"a root of the manufacturer cannot be read ({error})", Finding.INVALID_CERTIFICATE) from error


def _fed(verifier: Verifier, data: bytes) -> FirmwareError | None:
    """Why the bundle is refused; its bytes go nowhere from here."""
    try:
        verifier.feed(data)
    except FirmwareError as error:
        return error
    return None
