"""Bytes that nobody thought of: whatever comes in, a refusal by name comes out and no byte that was not signed."""

import random

import pytest

from firmware.errors import FirmwareError
from firmware.tree import Entry, TreeReader, check_path
from firmware.verify import Verifier
from tests.firmware.kit import TREE, device, make, tree_bytes
from tests.firmware_attacks.corpus import GOOD, MANIFEST, PAYLOAD

CASES = 4000


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four changes: a bit, a byte, a number of four or eight, a part left out, doubled or put elsewhere."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(found) + 1), rng.choice((1, 1, 2, 4, 8, 96, 300))
        new = in_place_of(found, at, length, rng)
        found[at : at + (len(new) if rng.random() < 0.6 else rng.choice((0, length)))] = new
    return bytes(found)


def in_place_of(found: bytearray, at: int, length: int, rng: random.Random) -> bytes:
    match rng.randrange(7):
        case 0:
            return rng.randbytes(1)
        case 1:
            return bytes(byte ^ (1 << rng.randrange(8)) for byte in found[at : at + 1])
        case 2:
            return rng.choice((0, 1, 2**31, 2**32 - 1)).to_bytes(4, "big")
        case 3:
            return rng.choice((0, 2**31, 2**63, 2**64 - 1)).to_bytes(8, "big")
        case 4:
            return b""
        case 5:
            return bytes(found[at : at + length]) * 2
        case _:
            other = rng.randrange(len(found) + 1)
            return bytes(found[other : other + length])


@pytest.mark.parametrize("share", range(2))
def test_a_changed_bundle_lets_out_nothing_that_was_not_signed(share: int) -> None:
    rng = random.Random(share)
    refused = 0
    for _ in range(CASES):
        content = mutated(GOOD if rng.random() < 0.3 else GOOD[:900], rng)
        verifier, out = Verifier(device()), b""
        try:
            while content:
                count = rng.choice((7, 500, 5000))
                out += verifier.feed(content[:count])
                content = content[count:]
            verifier.finish()
        except FirmwareError:
            refused += 1
        assert PAYLOAD.startswith(out)
    assert refused > 0.98 * CASES


def test_a_changed_manifest_with_a_right_signature_is_understood_or_refused() -> None:
    """What comes after the signature has to stand alone: makers err too."""
    rng = random.Random(3)
    understood = 0
    for _ in range(CASES // 4):
        text = mutated(MANIFEST, rng)[:16_000]
        verifier = Verifier(device())
        try:
            verifier.feed(make(PAYLOAD, text or b"{}"))
            verifier.finish()
            understood += 1
        except FirmwareError:
            pass
    assert understood < CASES // 8


def test_a_changed_tree_stays_within_its_directory() -> None:
    rng = random.Random(4)
    payload = tree_bytes({**TREE, "lib/chargerd.py": b"x" * 50})
    for _ in range(CASES):
        reader = TreeReader()
        try:
            for part in reader.feed(mutated(payload, rng)):
                if isinstance(part, Entry):
                    check_path(part.path)
                    assert ".." not in part.path.split("/")
                    assert not part.path.startswith("/")
        except FirmwareError:
            continue


def test_a_tree_that_was_read_is_written_as_it_came() -> None:
    """No two texts for one tree: what a reader takes, a writer gives back byte for byte."""
    rng = random.Random(5)
    payload = tree_bytes({**TREE, "lib/chargerd.py": b"x" * 50})
    taken = 0
    for _ in range(CASES):
        changed = mutated(payload, rng) if rng.random() < 0.9 else payload
        reader, written = TreeReader(), b""
        try:
            for part in reader.feed(changed):
                written += part.encode() if isinstance(part, Entry) else part
            reader.finish()
        except FirmwareError:
            continue
        taken += 1
        assert changed == written + bytes(11)
    assert taken > CASES // 20
