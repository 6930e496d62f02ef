"""The verification of a bundle, without a world: bytes in, verified bytes out, or a refusal by name.

A byte of the payload comes out only after the hash of its whole chunk has matched a table that a signed manifest
vouches for. Whatever the size of a bundle, at most one chunk and the head are held.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass

from firmware import bundle, keys, signatures
from firmware.bundle import HASH_BYTES, HEADER, Kind, Manifest
from firmware.errors import FirmwareError, Refusal
from firmware.keys import KeyList, SignedList


@dataclass(frozen=True, slots=True)
class Device:
    """What a bundle is held against. `kinds`: what can be installed.

    `floor`: the least security version; `ceiling`: the highest that this device could remember as a floor.
    """

    product: str
    hardware: str
    keys: KeyList
    floor: int
    most_payload_bytes: int = bundle.MAX_PAYLOAD_BYTES
    kinds: frozenset[Kind] = frozenset(Kind)
    ceiling: int = bundle.MAX_SECURITY_VERSION

    def check(self, manifest: Manifest) -> None:
        """This bundle is for this device, now. Raises FirmwareError."""
        if manifest.product != self.product:
            raise FirmwareError(Refusal.WRONG_PRODUCT, f"is for {manifest.product}, and this is {self.product}")
        if self.hardware not in manifest.hardware:
            raise FirmwareError(
                Refusal.WRONG_HARDWARE, f"is for {', '.join(manifest.hardware)}, and this is {self.hardware}"
            )
        if manifest.kind not in self.kinds:
            raise FirmwareError(Refusal.WRONG_KIND, f"its payload is {manifest.kind}, which cannot be installed here")
        if manifest.security_version < self.floor:
            raise FirmwareError(
                Refusal.ROLLED_BACK, f"security version {manifest.security_version} is below {self.floor}"
            )
        if manifest.security_version > self.ceiling:
            raise FirmwareError(
                Refusal.TOO_LARGE, f"security version {manifest.security_version}, {self.ceiling} is the highest here"
            )
        if manifest.payload_bytes > self.most_payload_bytes:
            raise FirmwareError(
                Refusal.TOO_LARGE, f"{manifest.payload_bytes} bytes, {self.most_payload_bytes} are allowed here"
            )


class Verifier:
    """One bundle, from its first byte to its last. After a refusal nothing comes out any more."""

    def __init__(self, device: Device) -> None:
        self.manifest: Manifest | None = None
        """Set as soon as it is known to be signed and meant for this device."""
        self.key_list: SignedList | None = None
        """The newest list of keys that the bundle brought, if it brought one that is new here and rightly signed."""
        self.manifest_sha256 = ""
        self._device = device
        self._refused: FirmwareError | None = None
        self._head = bytearray()
        self._reader = self._read_head()
        self._wanted = next(self._reader)
        self._buffer = bytearray()
        self._started_chunk = memoryview(b"")
        self._filled = 0
        self._table = memoryview(b"")
        self._chunk = 0
        self._left = 0

    @property
    def head(self) -> bytes:
        """All that stands before the payload, once `manifest` is set and the table has come."""
        return bytes(self._head)

    @property
    def payload_left(self) -> int:
        """Bytes of the payload that have not come out yet."""
        return self._left

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the bundle; what of the payload they prove. Raises FirmwareError, and ever after."""
        if self._refused is not None:
            raise self._refused
        try:
            start = self._feed_head(data) if self._wanted else 0
            return self._feed_payload(data, start) if start < len(data) else b""
        except FirmwareError as refused:
            self._refused = refused
            raise

    @property
    def has_head(self) -> bool:
        """Everything before the payload has come, and holds."""
        return self._refused is None and not self._wanted

    def finish(self) -> Manifest:
        """There are no more bytes. Raises FirmwareError: TRUNCATED, or what was refused before."""
        if self._refused is not None:
            raise self._refused
        if self.manifest is None or self._wanted or self._left:
            self._refused = FirmwareError(Refusal.TRUNCATED, "ends too early")
            raise self._refused
        return self.manifest

    # ---- head ----

    def _feed_head(self, data: bytes) -> int:
        """Where in `data` the payload begins, or its end."""
        start = 0
        while self._wanted and start < len(data):
            taken = data[start : start + self._wanted - len(self._buffer)]
            self._buffer += taken
            start += len(taken)
            if len(self._buffer) == self._wanted:
                part = bytes(self._buffer)
                self._buffer.clear()
                self._head += part
                self._wanted = self._next_wanted(part)
        return start

    def _next_wanted(self, part: bytes) -> int:
        try:
            return self._reader.send(part)
        except StopIteration:
            return 0

    def _read_head(self) -> Generator[int, bytes, None]:
        """Says how many bytes it wants (never none), is given them."""
        lengths = bundle.decode_lengths((yield HEADER.size))
        lists = keys.decode_section((yield lengths.key_lists)) if lengths.key_lists else ()
        trusted, self.key_list = keys.follow(self._device.keys, lists)
        if not lengths.signatures:
            raise FirmwareError(Refusal.UNKNOWN_SIGNER, "is not signed")
        if not lengths.manifest:
            raise FirmwareError(Refusal.MALFORMED, "has no manifest")
        signed = signatures.decode((yield lengths.signatures))
        text = yield lengths.manifest
        signatures.check(signatures.MANIFEST, text, signed, trusted.releases, trusted.revoked_ids)
        manifest = bundle.decode_manifest(text)
        self._device.check(manifest)
        self.manifest, self.manifest_sha256 = manifest, hashlib.sha256(text).hexdigest()
        table = yield manifest.chunks * HASH_BYTES
        if hashlib.sha256(table).hexdigest() != manifest.table_sha256:
            raise FirmwareError(Refusal.BAD_TABLE, "the hashes of the chunks are not those that were signed")
        self._table = memoryview(table)
        # Made once: a buffer that grows anew for each chunk takes longer than the hash.
        self._started_chunk = memoryview(bytearray(min(manifest.chunk_bytes, manifest.payload_bytes)))
        self._left = manifest.payload_bytes

    # ---- payload ----

    def _feed_payload(self, data: bytes, start: int) -> bytes:
        """Whole chunks within `data` are hashed where they lie: only what is cut by its ends is copied."""
        if self._filled + len(data) - start > self._left:
            raise FirmwareError(Refusal.TRAILING_BYTES, "goes on after the end of its payload")
        view = memoryview(data)
        first = b""
        if self._filled:
            size = self._chunk_bytes()
            start += self._fill(view[start : start + size - self._filled])
            if self._filled < size:
                return b""
            first = bytes(self._started_chunk[:size])
            self._filled = 0
            self._check_chunk(first)
        end = start
        while self._left and len(data) - end >= (size := self._chunk_bytes()):
            self._check_chunk(view[end : end + size])
            end += size
        self._fill(view[end:])
        return first + data[start:end] if first else data[start:end]

    def _fill(self, part: memoryview) -> int:
        """More of the chunk that has been started; how many bytes."""
        self._started_chunk[self._filled : self._filled + len(part)] = part
        self._filled += len(part)
        return len(part)

    def _chunk_bytes(self) -> int:
        assert self.manifest is not None, "can't happen because the payload comes after the manifest"
        return min(self.manifest.chunk_bytes, self._left)

    def _check_chunk(self, chunk: bytes | memoryview) -> None:
        place = self._chunk * HASH_BYTES
        if hashlib.sha256(chunk).digest() != self._table[place : place + HASH_BYTES]:
            raise FirmwareError(Refusal.BAD_CHUNK, f"chunk {self._chunk} is not what was signed")
        self._chunk += 1
        self._left -= len(chunk)
