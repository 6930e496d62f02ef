"""The file format of an update: a head that is signed, then the payload, in chunks whose hashes the head vouches for.

    magic, three lengths    16 bytes, then three unsigned numbers of 4 bytes
    key lists               what has changed about whom to trust (keys.py); mostly empty
    signatures              96 bytes each (signatures.py), over the manifest
    manifest                what this is and for whom, as JSON in its one form (values.py)
    table                   the SHA-256 of each chunk of the payload, 32 bytes each; its own hash is in the manifest
    payload                 an image, or a tree (tree.py)

Every length is capped before anything of that length is read. Nothing but the lengths is parsed before the signatures
hold: not the manifest, not the table. The sizes of table and payload are the manifest's, so no two can disagree.
"""

import struct
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from firmware import keys, signatures, values
from firmware.errors import FirmwareError, Refusal
from firmware.values import Name, Sha256Hex, check_ascending

MAGIC = b"chargerd-bundle1"
HEADER = struct.Struct(">16sIII")

MAX_MANIFEST_BYTES = 16 * 1024
MAX_SIGNATURES_BYTES = signatures.MAX_SIGNATURES * signatures.RECORD_BYTES

MIN_CHUNK_BYTES = 4 * 1024
MAX_CHUNK_BYTES = 1024 * 1024
"""Chunks are held in memory until their hash has matched."""

CHUNK_BYTES = 256 * 1024
"""What is built: a table of 8 KiB for 64 MiB."""

HASH_BYTES = 32
MAX_CHUNKS = 32 * 1024
"""A table of 1 MiB."""

MAX_PAYLOAD_BYTES = 16 * 1024**3


MAX_SECURITY_VERSION = 2**31 - 1


class Kind(StrEnum):
    """What the payload is."""

    TREE = "tree"
    RAW = "raw"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bundle is and for whom. Raises FirmwareError by check().

    `version`: for people and for OCPP's firmwareVersion (at most 50 characters). `security_version`: what a device must
    not fall below once it has run it. `created`: when, UTC; a device may take it as the least time it can be.
    `table_sha256`: the hash over the hashes of all chunks.
    """

    format: Literal[1]
    product: Name
    hardware: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=32)]
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_~-]{0,49}\Z")]
    security_version: Annotated[int, msgspec.Meta(ge=0, le=MAX_SECURITY_VERSION)]
    created: Annotated[str, msgspec.Meta(pattern=r"^2\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ\Z")]
    kind: Kind
    payload_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAYLOAD_BYTES)]
    chunk_bytes: Annotated[int, msgspec.Meta(ge=MIN_CHUNK_BYTES, le=MAX_CHUNK_BYTES)]
    table_sha256: Sha256Hex

    def check(self) -> None:
        """What types cannot say. Raises FirmwareError: MALFORMED, TOO_LARGE."""
        check_ascending("kinds of hardware", self.hardware)
        if self.chunk_bytes & (self.chunk_bytes - 1):
            raise FirmwareError(Refusal.MALFORMED, f"chunks of {self.chunk_bytes} bytes; expected a power of two")
        if self.chunks > MAX_CHUNKS:
            raise FirmwareError(Refusal.TOO_LARGE, f"{self.chunks} chunks, {MAX_CHUNKS} are allowed; use larger ones")

    @property
    def chunks(self) -> int:
        """How many; the last may be short."""
        return -(-self.payload_bytes // self.chunk_bytes)


class Lengths(msgspec.Struct, frozen=True):
    """Bytes of the parts of the head that the manifest cannot tell."""

    key_lists: int
    signatures: int
    manifest: int


def encode_head(
    manifest: bytes, signed: tuple[signatures.Signature, ...], table: bytes, key_lists: bytes = b""
) -> bytes:
    """All that stands before the payload."""
    section = signatures.encode(signed)
    header = HEADER.pack(MAGIC, len(key_lists), len(section), len(manifest))
    return header + key_lists + section + manifest + table


def decode_lengths(header: bytes) -> Lengths:
    """From the first HEADER.size bytes. Raises FirmwareError: BAD_MAGIC, TOO_LARGE, MALFORMED."""
    magic, key_list_bytes, signature_bytes, manifest_bytes = HEADER.unpack(header)
    if magic != MAGIC:
        raise FirmwareError(Refusal.BAD_MAGIC, "is no bundle of this format")
    for what, length, most in (
        ("key lists", key_list_bytes, keys.MAX_SECTION_BYTES),
        ("signatures", signature_bytes, MAX_SIGNATURES_BYTES),
        ("manifest", manifest_bytes, MAX_MANIFEST_BYTES),
    ):
        if length > most:
            raise FirmwareError(Refusal.TOO_LARGE, f"{what} of {length} bytes, {most} are allowed")
    if signature_bytes % signatures.RECORD_BYTES:
        raise FirmwareError(Refusal.MALFORMED, f"{signature_bytes} bytes hold no whole number of signatures")
    return Lengths(key_list_bytes, signature_bytes, manifest_bytes)


def decode_manifest(text: bytes) -> Manifest:
    """Raises FirmwareError: MALFORMED, TOO_LARGE."""
    manifest = values.decode(Manifest, text)
    manifest.check()
    return manifest
