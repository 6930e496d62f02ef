"""A maker with keys, its devices and its bundles, for every test of firmware."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from firmware import bundle, maker, signatures, values
from firmware.bundle import Kind, Manifest
from firmware.disk import Disk
from firmware.keys import KeyList, SignedList
from firmware.maker_keys import FileKey
from firmware.place import Place, Settings, Started
from firmware.signatures import Signature, key_id
from firmware.slots import Name
from firmware.tree import END, Entry
from firmware.tree import Kind as EntryKind
from firmware.updating import Updating
from firmware.verify import Device

PRODUCT = "acme-charger"
HARDWARE = "rev-b"
CREATED = "2026-11-26T00:00:00Z"

TREE = {
    "bin": None,
    "bin/chargerd": b"#!/usr/bin/python3 -I\nprint('new')\n",
    "lib": None,
    "lib/chargerd.py": b"VERSION = 2\n" * 900,
    "lib/empty.py": b"",
}
OLD_TREE = {**TREE, "bin/chargerd": b"#!/usr/bin/python3 -I\nprint('old')\n", "lib/chargerd.py": b"VERSION = 1\n" * 700}


@cache
def key(name: str) -> FileKey:
    """Always the same for a name: runs can be compared."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") >> 1
    return FileKey(ec.derive_private_key(number, ec.SECP256R1()))


def public(*names: str) -> tuple[str, ...]:
    return tuple(sorted(key(name).public for name in names))


def key_list(
    version: int = 1,
    *,
    roots: Sequence[str] = ("root-1", "root-2"),
    releases: Sequence[str] = ("release-1",),
    roots_needed: int = 1,
    releases_needed: int = 1,
    revoked: Sequence[str] = (),
    product: str = PRODUCT,
) -> KeyList:
    return KeyList(
        1,
        product,
        version,
        signatures.Role(roots_needed, public(*roots)),
        signatures.Role(releases_needed, public(*releases)),
        tuple(sorted(key_id(key(name).public) for name in revoked)),
    )


def signed_list(keys: KeyList, *by: str) -> SignedList:
    text = values.encode(keys)
    return SignedList(keys, text, signed(signatures.KEY_LIST, text, *by))


def signed(purpose: bytes, text: bytes, *by: str) -> tuple[Signature, ...]:
    found = []
    for name in by:
        r, s = signatures.canonical(*key(name).sign(signatures.digest(purpose, text)))
        found.append(Signature(key_id(key(name).public), r, s))
    return tuple(sorted(found, key=lambda each: each.key_id))


def tree_bytes(files: Mapping[str, bytes | None]) -> bytes:
    """Files in the order of their paths; None: a directory."""
    written = b""
    for path in sorted(files, key=lambda path: path.split("/")):
        content = files[path]
        if content is None:
            written += Entry(EntryKind.DIRECTORY, path).encode()
        else:
            kind = EntryKind.PROGRAM if path.startswith("bin/") else EntryKind.FILE
            written += Entry(kind, path, len(content)).encode() + content
    return written + END


def manifest_of(payload: bytes, **changes: object) -> Manifest:
    told = Manifest(1, PRODUCT, (HARDWARE,), "2.0.0", 2, CREATED, Kind.TREE, len(payload), 4096, "0" * 64)
    told = msgspec.structs.replace(told, **changes)
    return msgspec.structs.replace(told, table_sha256=hashlib.sha256(table_of(payload, told.chunk_bytes)).hexdigest())


def table_of(payload: bytes, chunk_bytes: int = 4096) -> bytes:
    starts = range(0, len(payload), chunk_bytes)
    return b"".join(hashlib.sha256(payload[start : start + chunk_bytes]).digest() for start in starts)


def make(
    payload: bytes,
    manifest: Manifest | bytes | None = None,
    *,
    by: Sequence[str] = ("release-1",),
    lists: Sequence[SignedList] = (),
    table: bytes | None = None,
) -> bytes:
    """A bundle, with any part of it as a test wants it."""
    manifest = manifest_of(payload) if manifest is None else manifest
    text = values.encode(manifest) if isinstance(manifest, Manifest) else manifest
    chunk_bytes = manifest.chunk_bytes if isinstance(manifest, Manifest) else 4096
    table = table_of(payload, chunk_bytes) if table is None else table
    carried = b"".join(each.encode() for each in lists)
    return bundle.encode_head(text, signed(signatures.MANIFEST, text, *by), table, carried) + payload


def good(files: Mapping[str, bytes | None] = TREE, **changes: object) -> bytes:
    """What a device takes."""
    payload = tree_bytes(files)
    return make(payload, manifest_of(payload, **changes))


OLD = {"version": "1.0.0", "security_version": 1}


def device(floor: int = 1, keys: KeyList | None = None, **changes: object) -> Device:
    return Device(PRODUCT, HARDWARE, keys or key_list(), floor, **{"most_payload_bytes": 2**20, **changes})  # type: ignore[arg-type]


# ---- a device with slots ----

STARTED = Started(Name.A, "1.0.0", 1, "0" * 64)


def settings_in(folder: Path) -> Settings:
    return Settings(
        PRODUCT,
        HARDWARE,
        key_list=str(folder / "firmware-keys"),
        slots_dir=str(folder / "slots"),
        state_dir=str(folder / "state"),
        run_dir=str(folder / "run"),
        users=(),
        most_payload_bytes=2**20,
    )


def place_on(slot_disk: Disk, state: Disk, folder: Path = Path("/nowhere")) -> Place:
    return Place(settings_in(folder), slot_disk, state, key_list())


def install(place: Place, content: bytes, running: Name) -> None:
    """A bundle into the slot that does not run, activated."""
    updating = Updating(place, msgspec.structs.replace(STARTED, slot=running), lambda: 0.0)
    with MemoryFile(content) as file:
        updating.activate(updating.stage(file).manifest_sha256)


class MemoryFile:
    """A file without a name that holds `content`."""

    def __init__(self, content: bytes) -> None:
        self.file = os.memfd_create("bundle")
        os.pwrite(self.file, content, 0)

    def __enter__(self) -> int:
        return self.file

    def __exit__(self, *_error: object) -> None:
        os.close(self.file)


def maker_build(source: Path, into: Path, **changes: object) -> Manifest:
    told = maker.Build(PRODUCT, (HARDWARE,), "2.0.0", 2, CREATED)
    return maker.build(source, msgspec.structs.replace(told, **changes), into)
