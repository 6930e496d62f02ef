"""What an attacker, a broken medium or a confused maker may hand to a device: all to be refused, and why.

Each is a name, the bytes, and the refusals that are right. Those of `signed_*` are signed by the real release key: they
test what comes after the signature.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from firmware import bundle, keys, signatures, values
from firmware.bundle import HEADER, Kind
from firmware.errors import Refusal
from firmware.keys import SignedList
from firmware.signatures import RECORD_BYTES, Signature
from firmware.tree import END
from firmware.tree import HEADER as ENTRY
from tests.firmware.kit import (
    OLD_TREE,
    TREE,
    good,
    key,
    key_list,
    make,
    manifest_of,
    signed,
    signed_list,
    table_of,
    tree_bytes,
)

PAYLOAD = tree_bytes(TREE)
GOOD = good()
MANIFEST = values.encode(manifest_of(PAYLOAD))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

SIGNATURES_AT = HEADER.size
MANIFEST_AT = SIGNATURES_AT + RECORD_BYTES
TABLE_AT = MANIFEST_AT + len(MANIFEST)
PAYLOAD_AT = len(GOOD) - len(PAYLOAD)

HUGE = (2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1)
"""As unsigned lengths, and as what a program that takes them for signed makes of -1 and its neighbours."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`floor`: of the device it is tried on; its keys ask for the signature of release-1."""

    name: str
    content: bytes
    refusals: tuple[Refusal, ...]
    floor: int = 1


def corpus() -> list[Attack]:
    """All of them, each under its own name."""
    groups = (
        flips, truncations, trailing, lengths, signed_sizes, signed_texts, signed_fields, signers, forged_signatures,
        key_lists, mixed, for_others, signed_trees,
    )  # fmt: skip
    return [attack for group in groups for attack in group()]


# ---- a good bundle, damaged ----


def flips() -> Iterator[Attack]:
    regions = {
        "magic": (0, 16, (Refusal.BAD_MAGIC,)),
        "key-id": (SIGNATURES_AT, 32, (Refusal.UNKNOWN_SIGNER,)),
        "r": (SIGNATURES_AT + 32, 32, (Refusal.BAD_SIGNATURE,)),
        "s": (SIGNATURES_AT + 64, 32, (Refusal.BAD_SIGNATURE,)),
        "manifest": (MANIFEST_AT, len(MANIFEST), (Refusal.BAD_SIGNATURE,)),
        "table": (TABLE_AT, PAYLOAD_AT - TABLE_AT, (Refusal.BAD_TABLE,)),
        "payload": (PAYLOAD_AT, len(PAYLOAD), (Refusal.BAD_CHUNK,)),
    }
    for region, (start, count, refusals) in regions.items():
        for at in sorted({start, start + count // 3, start + count // 2, start + count - 1}):
            for bit in (0, 7):
                content = bytearray(GOOD)
                content[at] ^= 1 << bit
                yield Attack(f"flip-{region}-{at - start}-{bit}", bytes(content), refusals)
    for field in range(3):
        for bit in range(0, 32, 5):
            numbers = list(HEADER.unpack_from(GOOD))
            numbers[1 + field] ^= 1 << bit
            yield Attack(f"flip-length-{field}-{bit}", HEADER.pack(*numbers) + GOOD[HEADER.size :], ANY_LENGTH)


ANY_LENGTH = (
    Refusal.TOO_LARGE, Refusal.MALFORMED, Refusal.TRUNCATED, Refusal.BAD_SIGNATURE, Refusal.UNKNOWN_SIGNER,
    Refusal.BAD_KEY_LIST,
)  # fmt: skip
"""A wrong length moves every boundary behind it: which check sees it first depends on the bytes."""


def truncations() -> Iterator[Attack]:
    boundaries = (0, 16, 20, 24, SIGNATURES_AT, MANIFEST_AT, TABLE_AT, PAYLOAD_AT, PAYLOAD_AT + 4096, len(GOOD))
    for length in sorted({at + step for at in boundaries for step in (-1, 0, 1)}):
        if 0 <= length < len(GOOD):
            yield Attack(f"cut-at-{length}", GOOD[:length], (Refusal.TRUNCATED,))


def trailing() -> Iterator[Attack]:
    for name, more in {"zero": b"\0", "newline": b"\n", "bundle": GOOD, "head": GOOD[:PAYLOAD_AT]}.items():
        yield Attack(f"trailing-{name}", GOOD + more, (Refusal.TRAILING_BYTES,))


def lengths() -> Iterator[Attack]:
    for field, what in enumerate(("key-lists", "signatures", "manifest")):
        for length in HUGE:
            numbers = list(HEADER.unpack_from(GOOD))
            numbers[1 + field] = length
            yield Attack(f"length-{what}-{length}", HEADER.pack(*numbers) + GOOD[HEADER.size :], (Refusal.TOO_LARGE,))
    numbers = list(HEADER.unpack_from(GOOD))
    yield Attack(
        "length-no-signatures", HEADER.pack(numbers[0], 0, 0, numbers[3]) + MANIFEST, (Refusal.UNKNOWN_SIGNER,)
    )
    yield Attack("length-no-manifest", HEADER.pack(numbers[0], 0, 96, 0) + GOOD[28:124], (Refusal.MALFORMED,))
    yield Attack("length-half-a-signature", HEADER.pack(numbers[0], 0, 95, numbers[3]) + GOOD, (Refusal.MALFORMED,))
    yield Attack("empty", b"", (Refusal.TRUNCATED,))
    yield Attack("zeros", bytes(100), (Refusal.BAD_MAGIC,))
    yield Attack("a-zip", b"PK\x03\x04" + bytes(100), (Refusal.BAD_MAGIC,))


# ---- signed, and wrong all the same ----


def signed_text(text: bytes) -> bytes:
    return make(PAYLOAD, text)


def changed(**fields: object) -> bytes:
    return json.dumps({**json.loads(MANIFEST), **fields}, separators=(",", ":")).encode()


def signed_sizes() -> Iterator[Attack]:
    for size in (-(2**63), -1, 0, bundle.MAX_PAYLOAD_BYTES + 1, 2**63 - 1, 2**63, 2**64, 10**40):
        yield Attack(f"signed-payload-of-{size}", signed_text(changed(payload_bytes=size)), (Refusal.MALFORMED,))
    for size in (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1):
        chunk_bytes = bundle.MAX_CHUNK_BYTES
        text = changed(payload_bytes=size, chunk_bytes=chunk_bytes)
        yield Attack(f"signed-payload-of-{size}", signed_text(text), (Refusal.TOO_LARGE,))
    yield Attack("signed-too-many-chunks", signed_text(changed(payload_bytes=2**30)), (Refusal.TOO_LARGE,))
    for size in (-1, 0, 1, 4095, 4097, 6000, 2**20 + 1, 2**21, 2**32):
        yield Attack(f"signed-chunks-of-{size}", signed_text(changed(chunk_bytes=size)), (Refusal.MALFORMED,))


def signed_texts() -> Iterator[Attack]:
    text = MANIFEST.decode()
    texts = {
        "blank-before": " " + text,
        "blank-after": text + " ",
        "newline-after": text + "\n",
        "blank-inside": text.replace(",", ", ", 1),
        "bom": "\ufeff" + text,
        "escaped-letter": text.replace("acme", "\\u0061cme"),
        "escaped-slash": text.replace("2026-11", "2026\\u002d11"),
        "number-with-fraction": text.replace('"security_version":2', '"security_version":2.0'),
        "number-with-exponent": text.replace('"security_version":2', '"security_version":2e0'),
        "number-with-zeros": text.replace('"security_version":2', '"security_version":02'),
        "minus-zero": text.replace('"security_version":2', '"security_version":-0'),
        "not-a-number": text.replace('"security_version":2', '"security_version":NaN'),
        "two-values": text + text,
        "array": f"[{text}]",
        "string": json.dumps(text),
        "null": "null",
        "deep": "[" * 8000 + "]" * 8000,
        "other-order": json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")),
        "unknown-field": text[:-1] + ',"script":"post-install"}',
        "comment": text[:-1] + "/**/}",
        "trailing-comma": text[:-1] + ",}",
        "not-json": "product=acme-charger",
    }
    for name, wrong in texts.items():
        yield Attack(f"signed-text-{name}", signed_text(wrong.encode()), (Refusal.MALFORMED,))
    yield Attack("signed-text-latin-1", signed_text(MANIFEST.replace(b"acme", b"acm\xe9")), (Refusal.MALFORMED,))
    yield Attack("signed-text-nul", signed_text(MANIFEST + b"\0"), (Refusal.MALFORMED,))
    for field, value in json.loads(MANIFEST).items():
        one = json.dumps({field: value}, separators=(",", ":"))[1:-1]
        last = json.loads(MANIFEST)
        twice = f"{{{one},{text[1:]}" if field != "format" else text[:-1] + f",{one}}}"
        yield Attack(f"signed-twice-{field}", signed_text(twice.encode()), (Refusal.MALFORMED,))
        del last[field]
        without = json.dumps(last, separators=(",", ":")).encode()
        yield Attack(f"signed-without-{field}", signed_text(without), (Refusal.MALFORMED,))


def signed_fields() -> Iterator[Attack]:
    wrong: dict[str, tuple[object, ...]] = {
        "format": (0, 2, "1", None, True),
        "product": ("", "Acme", "a" * 65, "../etc", "acme charger", "acme\n", 1, None, ["acme-charger"]),
        "hardware": ([], "rev-b", ["rev-b", "rev-b"], ["rev-b", "rev-a"], [None], [""], ["r"] * 33),
        "version": ("", "1" * 51, "2.0.0\n", "../2", "2;reboot", "$(id)", 2, None, "-rf"),
        "security_version": (-1, 2**31, "2", None, True, 2**64),
        "created": ("", "2026-11-26", "2026-11-26T00:00:00+01:00", "1999-11-26T00:00:00Z", 0, None),
        "kind": ("script", "", None, "TREE"),
        "table_sha256": ("", "0" * 63, "0" * 65, "Z" * 64, "A" * 64, None),
    }
    for field, each in wrong.items():
        for number, value in enumerate(each):
            content = signed_text(changed(**{field: value}))
            yield Attack(f"signed-{field}-{number}", content, (Refusal.MALFORMED,))


# ---- who signed ----


def with_signatures(found: tuple[Signature, ...] | bytes) -> bytes:
    section = found if isinstance(found, bytes) else signatures.encode(found)
    return HEADER.pack(bundle.MAGIC, 0, len(section), len(MANIFEST)) + section + GOOD[MANIFEST_AT:]


def signers() -> Iterator[Attack]:
    yield Attack("signer-unknown", make(PAYLOAD, by=["stranger"]), (Refusal.UNKNOWN_SIGNER,))
    yield Attack("signer-root", make(PAYLOAD, by=["root-1"]), (Refusal.UNKNOWN_SIGNER,))
    yield Attack("signer-revoked", make(PAYLOAD, by=["release-0"]), (Refusal.REVOKED_SIGNER,))
    yield Attack("signers-unknown", make(PAYLOAD, by=["s-1", "s-2", "s-3"]), (Refusal.UNKNOWN_SIGNER,))
    one = signed(signatures.MANIFEST, MANIFEST, "release-1")
    record = signatures.encode(one)
    yield Attack("signer-twice", with_signatures(record * 2), (Refusal.MALFORMED,))
    yield Attack("signer-nine-times", with_signatures(record * 9), (Refusal.TOO_LARGE,))
    two = sorted((record, signatures.encode(signed(signatures.MANIFEST, MANIFEST, "release-2"))), reverse=True)
    yield Attack("signers-out-of-order", with_signatures(b"".join(two)), (Refusal.MALFORMED,))


def forged_signatures() -> Iterator[Attack]:
    real = signed(signatures.MANIFEST, MANIFEST, "release-1")[0]
    numbers = {
        "zero": (0, 0),
        "r-zero": (0, real.s),
        "s-zero": (real.r, 0),
        "r-order": (ORDER, real.s),
        "s-order": (real.r, ORDER),
        "both-order": (ORDER, ORDER),
        "one": (1, 1),
        "largest": (2**256 - 1, 2**256 - 1),
        "swapped": (real.s, real.r),
        "other-half": (real.r, ORDER - real.s),
    }
    for name, (r, s) in numbers.items():
        forged = (Signature(real.key_id, r, s),)
        yield Attack(f"signature-{name}", with_signatures(forged), (Refusal.BAD_SIGNATURE,))
    others = {
        "of-another-text": signed(signatures.MANIFEST, MANIFEST + b" ", "release-1"),
        "for-a-key-list": signed(signatures.KEY_LIST, MANIFEST, "release-1"),
        "for-nothing": signed(b"", MANIFEST, "release-1"),
        "of-another-key": (
            msgspec.structs.replace(signed(signatures.MANIFEST, MANIFEST, "stranger")[0], key_id=real.key_id),
        ),
    }
    for name, found in others.items():
        yield Attack(f"signature-{name}", with_signatures(found), (Refusal.BAD_SIGNATURE,))


# ---- lists of keys ----


def key_lists() -> Iterator[Attack]:
    evil = key_list(2, releases=["stranger"])
    wrong = {
        "by-nobody-known": (signed_list(evil, "stranger"), Refusal.UNKNOWN_SIGNER),
        "by-a-release-key": (signed_list(evil, "release-1"), Refusal.UNKNOWN_SIGNER),
        "not-by-its-own-roots": (
            signed_list(key_list(2, roots=["root-9"], releases=["stranger"]), "root-1"),
            Refusal.UNKNOWN_SIGNER,
        ),
        "after-a-gap": (signed_list(key_list(3, releases=["stranger"]), "root-1"), Refusal.BAD_KEY_LIST),
        "of-another-product": (
            signed_list(key_list(2, product="other", releases=["stranger"]), "root-1"),
            Refusal.BAD_KEY_LIST,
        ),
        "asks-too-much": (
            signed_list(key_list(2, releases=["stranger"], releases_needed=2), "root-1"),
            Refusal.BAD_KEY_LIST,
        ),
        "locks-all-out": (signed_list(key_list(2, releases=["r"], revoked=["r"]), "root-1"), Refusal.BAD_KEY_LIST),
    }
    for name, (one, refusal) in wrong.items():
        yield Attack(f"keys-{name}", make(PAYLOAD, by=["stranger"], lists=[one]), (refusal,))
    right = signed_list(key_list(2, releases=["release-2"]), "root-1")
    yield Attack(
        "keys-signature-flipped", make(PAYLOAD, by=["release-2"], lists=[_flipped(right)]), (Refusal.BAD_SIGNATURE,)
    )
    yield Attack("keys-old-signer", make(PAYLOAD, lists=[right]), (Refusal.UNKNOWN_SIGNER,))
    yield Attack("keys-nine", make(PAYLOAD, lists=[right] * 9), (Refusal.BAD_KEY_LIST, Refusal.TOO_LARGE))
    yield Attack(
        "keys-same-again",
        make(PAYLOAD, by=["stranger"], lists=[signed_list(key_list(1), "root-1")]),
        (Refusal.UNKNOWN_SIGNER,),
    )
    for name, text in {
        "no-point": values.encode(key_list(2)).replace(key("release-1").public.encode(), b"02" + b"f" * 64),
        "unknown-field": values.encode(key_list(2))[:-1] + b',"x":1}',
        "blank": values.encode(key_list(2)) + b" ",
        "threshold-zero": values.encode(key_list(2)).replace(b'"threshold":1', b'"threshold":0'),
        "version-zero": values.encode(key_list(2)).replace(b'"version":2', b'"version":0'),
    }.items():
        one = SignedList(key_list(2), text, signed(signatures.KEY_LIST, text, "root-1"))
        yield Attack(f"keys-{name}", make(PAYLOAD, lists=[one]), (Refusal.BAD_KEY_LIST,))
    for length in HUGE:
        section = struct.pack(">16sII", keys.MAGIC, length, 96) + bytes(200)
        head = HEADER.pack(bundle.MAGIC, len(section), 96, len(MANIFEST))
        yield Attack(f"keys-length-{length}", head + section + GOOD[SIGNATURES_AT:], (Refusal.TOO_LARGE,))


def _flipped(one: SignedList) -> SignedList:
    wrong = msgspec.structs.replace(one.signed[0], r=one.signed[0].r ^ 1)
    return msgspec.structs.replace(one, signed=(wrong,))


# ---- parts of several good bundles ----


def mixed() -> Iterator[Attack]:
    other = tree_bytes(OLD_TREE)
    longer = other + b"\0" * (len(PAYLOAD) - len(other)) if len(other) < len(PAYLOAD) else other[: len(PAYLOAD)]
    yield Attack("mixed-other-payload", GOOD[:PAYLOAD_AT] + longer, (Refusal.BAD_CHUNK,))
    yield Attack("mixed-other-table", make(longer, MANIFEST, table=table_of(longer)), (Refusal.BAD_TABLE,))
    yield Attack("mixed-other-manifest", _swapped_manifest(), (Refusal.BAD_SIGNATURE,))
    first, second = PAYLOAD[:4096], PAYLOAD[4096:8192]
    yield Attack("mixed-chunks-swapped", GOOD[:PAYLOAD_AT] + second + first + PAYLOAD[8192:], (Refusal.BAD_CHUNK,))
    yield Attack("mixed-chunk-again", GOOD[:PAYLOAD_AT] + first + first + PAYLOAD[8192:], (Refusal.BAD_CHUNK,))
    yield Attack("mixed-chunk-left-out", GOOD[:PAYLOAD_AT] + PAYLOAD[4096:], (Refusal.BAD_CHUNK, Refusal.TRUNCATED))
    swapped = table_of(second + first + PAYLOAD[8192:])
    yield Attack("mixed-table-swapped", make(PAYLOAD, MANIFEST, table=swapped), (Refusal.BAD_TABLE,))
    yield Attack("mixed-last-good-byte", GOOD[:-1] + b"\xff", (Refusal.BAD_CHUNK,))


def _swapped_manifest() -> bytes:
    """The text of a newer version with the signature of this one."""
    text = values.encode(manifest_of(PAYLOAD, version="9.9.9"))
    section = GOOD[SIGNATURES_AT:MANIFEST_AT]
    return HEADER.pack(bundle.MAGIC, 0, len(section), len(text)) + section + text + GOOD[TABLE_AT:]


def for_others() -> Iterator[Attack]:
    yield Attack("other-product", good(product="acme-heater"), (Refusal.WRONG_PRODUCT,))
    yield Attack("other-hardware", good(hardware=("rev-a", "rev-c")), (Refusal.WRONG_HARDWARE,))
    yield Attack("prefix-of-the-hardware", good(hardware=("rev-",)), (Refusal.WRONG_HARDWARE,))
    yield Attack("image", good(kind=Kind.RAW), (Refusal.WRONG_KIND,))
    for floor in (3, 4, 2**31 - 1):
        yield Attack(f"below-the-floor-{floor}", GOOD, (Refusal.ROLLED_BACK,), floor)
    yield Attack("security-version-zero", good(security_version=0), (Refusal.ROLLED_BACK,))
    big = b"\0" * (2**20 + 1)
    yield Attack("larger-than-allowed", make(big, manifest_of(big)), (Refusal.TOO_LARGE,))


# ---- trees ----


def entry(path: bytes, content: bytes = b"x", kind: int = 2, *, size: int | None = None) -> bytes:
    return ENTRY.pack(kind, len(path), len(content) if size is None else size) + path + content


def directory(path: bytes) -> bytes:
    return entry(path, b"", 1)


def signed_trees() -> Iterator[Attack]:
    paths = {
        "parent": b"../x",
        "absolute": b"/x",
        "parent-inside": b"a/../../x",
        "dot": b".",
        "dots": b"..",
        "empty": b"",
        "dot-inside": b"a/./b",
        "double-slash": b"a//b",
        "slash-at-end": b"a/",
        "backslash": b"a\\b",
        "nul": b"a\0b",
        "newline": b"a\nb",
        "newline-at-end": b"a\n",
        "colon": b"c:x",
        "star": b"*",
        "escape": b"\x1b[2J",
        "delete": b"\x7f",
        "unicode": "ä".encode(),
        "overlong": b"\xc0\xae\xc0\xae/x",
        "surrogate": b"\xed\xa0\x80",
        "right-to-left": "\u202ex".encode(),
        "blank-first": b" a",
        "blank-last": b"a ",
        "only-blank": b" ",
        "tilde-parent": b"~/../x",
        "proc": b"/proc/self/mem",
        "long-name": b"n" * 129,
        "long-path": b"/".join([b"d" * 100] * 5),
        "deep": b"/".join([b"d"] * 40),
        "quote": b'a"b',
        "pipe": b"a|b",
        "less": b"a<b",
        "question": b"a?b",
        "semicolon": b"a;b",
        "backtick": b"a`b",
    }
    for name, path in paths.items():
        yield _tree(f"path-{name}", entry(path) + END)
        if b"/" not in path:
            yield _tree(f"directory-{name}", directory(path) + END)
    wrong = {
        "twice": entry(b"a") + entry(b"a") + END,
        "directory-twice": directory(b"a") + directory(b"a") + END,
        "file-over-directory": directory(b"a") + entry(b"a/x") + entry(b"a") + END,
        "directory-over-file": entry(b"a") + directory(b"a") + END,
        "below-a-file": entry(b"a") + entry(b"a/b") + END,
        "below-nothing": entry(b"a/b") + END,
        "back-into-a-directory": directory(b"a") + entry(b"b") + entry(b"a/x") + END,
        "out-of-order": entry(b"b") + entry(b"a") + END,
        "capitals": entry(b"Setup.py") + entry(b"setup.py") + END,
        "directory-capitals": directory(b"A") + directory(b"a") + END,
        "symbolic-link": entry(b"a", b"/etc/passwd", 4) + END,
        "hard-link": entry(b"a", b"b", 5) + END,
        "device": entry(b"a", b"", 6) + END,
        "pipe": entry(b"a", b"", 7) + END,
        "setuid": entry(b"a", b"x", 0x82) + END,
        "kind-255": entry(b"a", b"x", 255) + END,
        "directory-with-content": entry(b"a", b"x", 1) + END,
        "no-end": entry(b"a"),
        "nothing": b"\0",
        "after-its-end": entry(b"a") + END + END,
        "file-after-its-end": END + entry(b"a"),
        "end-with-path": entry(b"a", b"", 0) + END,
        "end-with-content": ENTRY.pack(0, 0, 1) + b"x" + END,
        "size-beyond-payload": entry(b"a", size=2**31) + END,
        "size-2-32": entry(b"a", size=2**32) + END,
        "size-negative": entry(b"a", size=2**64 - 1) + END,
        "path-beyond-payload": ENTRY.pack(2, 65535, 0) + b"a" + END,
        "too-many": b"".join(entry(b"%05d" % number, b"") for number in range(20_001)) + END,
    }
    for name, payload in wrong.items():
        yield _tree(name, payload)


def _tree(name: str, payload: bytes) -> Attack:
    return Attack(f"signed-tree-{name}", make(payload, manifest_of(payload)), (Refusal.BAD_TREE,))
