"""The maker's side: from a directory and a key to a bundle, on a desk, never on a device.

Building takes no key and gives the same bytes for the same directory; signing only adds signatures. So two people can
build, compare, and sign without trusting each other's machine.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from firmware import bundle, keys, signatures, values
from firmware.bundle import HASH_BYTES, HEADER, Kind, Manifest
from firmware.disk import PIECE_BYTES, Folder
from firmware.errors import FirmwareError, Refusal
from firmware.installers.directory import DirectoryWriter, check_head, check_slot, written_out
from firmware.installers.rauc import write_head
from firmware.keys import KeyList, SignedList
from firmware.signatures import PublicKey, Role, Signature, key_id
from firmware.slots import Name
from firmware.tree import TreeReader
from firmware.verify import Device, Verifier

Progress = Callable[[int], None]
"""Told how many bytes have been dealt with so far."""


class Signer(Protocol):
    """A private key, wherever it lives."""

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        ...

    def sign(self, digest: bytes) -> tuple[int, int]:
        """r and s over a SHA-256. Raises KeyUnusableError (maker_keys.py)."""
        ...


class Build(msgspec.Struct, frozen=True):
    """What people say about a bundle; the rest is counted. See Manifest."""

    product: str
    hardware: tuple[str, ...]
    version: str
    security_version: int
    created: str
    chunk_bytes: int = bundle.CHUNK_BYTES


def build(source: Path, told: Build, into: Path, progress: Progress = lambda _: None) -> Manifest:
    """An unsigned bundle of a directory (tree) or a file (raw). Raises FirmwareError for what has no form, OSError."""
    kind = Kind.TREE if source.is_dir() else Kind.RAW
    payload = into.with_name(f"{into.name}.payload")
    try:
        hashes, payload_bytes = _write_payload(source, kind, payload, told.chunk_bytes, progress)
        table = b"".join(hashes)
        manifest = Manifest(
            1, told.product, tuple(sorted(set(told.hardware))), told.version, told.security_version, told.created, kind,
            payload_bytes, told.chunk_bytes, hashlib.sha256(table).hexdigest(),
        )  # fmt: skip
        text = values.encode(manifest)
        bundle.decode_manifest(text)
        with into.open("wb") as file, payload.open("rb") as rest:
            file.write(bundle.encode_head(text, (), table))
            shutil.copyfileobj(rest, file, PIECE_BYTES)
    finally:
        payload.unlink(missing_ok=True)
    return manifest


def _write_payload(
    source: Path, kind: Kind, into: Path, chunk_bytes: int, progress: Progress
) -> tuple[list[bytes], int]:
    """The hashes of its chunks, and its length."""
    hashes: list[bytes] = []
    written = 0
    chunk = bytearray()
    reader = TreeReader()
    with into.open("wb") as file:
        for piece in _tree(source) if kind is Kind.TREE else _file(source):
            if kind is Kind.TREE:
                for _ in reader.feed(piece):
                    pass  # a device reads it like this; what it would refuse is refused here
            file.write(piece)
            written += len(piece)
            chunk += piece
            while len(chunk) >= chunk_bytes:
                hashes.append(hashlib.sha256(memoryview(chunk)[:chunk_bytes]).digest())
                del chunk[:chunk_bytes]
            progress(written)
    if chunk:
        hashes.append(hashlib.sha256(chunk).digest())
    return hashes, written


def _tree(source: Path) -> Iterator[bytes]:
    folder = Folder(source)
    try:
        yield from written_out(folder, "", on_desk=True)
    finally:
        folder.close()


def _file(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


# ---- a bundle in a file ----


class Parts(msgspec.Struct, frozen=True):
    """The head of a bundle, unverified. `payload_at`: where in the file the payload begins."""

    key_lists: tuple[SignedList, ...]
    signed: tuple[Signature, ...]
    text: bytes
    manifest: Manifest
    table: bytes
    payload_at: int


def read_parts(file: BinaryIO) -> Parts:
    """Raises FirmwareError, OSError."""
    lengths = bundle.decode_lengths(_exactly(file, HEADER.size))
    lists = keys.decode_section(_exactly(file, lengths.key_lists))
    section = _exactly(file, lengths.signatures)
    text = _exactly(file, lengths.manifest)
    manifest = bundle.decode_manifest(text)
    table = _exactly(file, manifest.chunks * HASH_BYTES)
    signed = signatures.decode(section) if section else ()
    return Parts(lists, signed, text, manifest, table, file.tell())


def sign(path: Path, signers: Iterable[Signer], key_lists: tuple[SignedList, ...] | None = None) -> Parts:
    """Add signatures to a bundle, and replace the lists of keys that it carries. Raises FirmwareError, OSError."""
    new = path.with_name(f"{path.name}.signed")
    try:
        with path.open("rb") as old, new.open("wb") as file:
            parts = read_parts(old)
            lists = parts.key_lists if key_lists is None else key_lists
            signed = _with(parts.signed, signatures.MANIFEST, parts.text, signers)
            carried = b"".join(each.encode() for each in lists)
            file.write(bundle.encode_head(parts.text, signed, parts.table, carried))
            shutil.copyfileobj(old, file, PIECE_BYTES)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    with path.open("rb") as file:
        return read_parts(file)


def verify(path: Path, device: Device, progress: Progress = lambda _: None) -> Verifier:
    """As a device with these keys would. Raises FirmwareError, OSError."""
    verifier = Verifier(device)
    reader = TreeReader()
    done = 0
    for piece in _file(path):
        verified = verifier.feed(piece)
        if verifier.manifest is not None and verifier.manifest.kind is Kind.TREE:
            for _ in reader.feed(verified):
                pass  # looked at as an installer would
        done += len(piece)
        progress(done)
    if verifier.finish().kind is Kind.TREE:
        reader.finish()
    return verifier


def unpack(path: Path, device: Device, slots_dir: Path) -> Verifier:
    """The first slot of a new device, into `a` of an existing directory. Raises FirmwareError, OSError.

    Of an image that is its head alone: the image itself goes where the device boots it from.
    """
    folder = Folder(slots_dir)
    try:
        verifier = Verifier(device)
        writer: DirectoryWriter | None = None
        for piece in _file(path):
            verified = verifier.feed(piece)
            if writer is None and verifier.manifest is not None and verifier.manifest.kind is Kind.TREE:
                writer = DirectoryWriter(folder, Name.A)
            if writer is not None:
                writer.write(verified)
        verifier.finish()
        if writer is None:
            write_head(folder, Name.A, verifier.head)
            return check_head(folder, Name.A, device)
        writer.close(verifier.head)
        return check_slot(folder, Name.A, device)
    finally:
        folder.close()


# ---- lists of keys ----


def sign_list(list_of_keys: KeyList, signers: Iterable[Signer], signed: tuple[Signature, ...] = ()) -> SignedList:
    """With these signatures too. Raises FirmwareError(BAD_KEY_LIST) for a list that would lock everybody out."""
    text = values.encode(list_of_keys)
    values.decode(KeyList, text, Refusal.BAD_KEY_LIST).check()
    return SignedList(list_of_keys, text, _with(signed, signatures.KEY_LIST, text, signers))


def role(threshold: int, public: Iterable[PublicKey]) -> Role:
    """Keys in their order."""
    return Role(threshold, tuple(sorted(set(public))))


def _with(
    signed: tuple[Signature, ...], purpose: bytes, text: bytes, signers: Iterable[Signer]
) -> tuple[Signature, ...]:
    by_id = {each.key_id: each for each in signed}
    for signer in signers:
        r, s = signatures.canonical(*signer.sign(signatures.digest(purpose, text)))
        signature = Signature(key_id(signer.public), r, s)
        signatures.check(purpose, text, (signature,), Role(1, (signer.public,)), frozenset())
        by_id[signature.key_id] = signature
    found = tuple(sorted(by_id.values(), key=lambda each: each.key_id))
    if len(found) > signatures.MAX_SIGNATURES:
        raise FirmwareError(Refusal.TOO_LARGE, f"{len(found)} signatures, {signatures.MAX_SIGNATURES} are allowed")
    return found


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise FirmwareError(Refusal.TRUNCATED, f"{os.fspath(file.name)} ends too early")
    return data
