"""The head of a bundle: lengths before anything else, and sizes that cannot disagree."""

import msgspec
import pytest

from firmware import bundle, values
from firmware.bundle import HEADER, MAGIC, Lengths
from firmware.errors import FirmwareError, Refusal
from firmware.signatures import Signature
from tests.firmware.kit import TREE, manifest_of, tree_bytes

MANIFEST = manifest_of(tree_bytes(TREE))


def test_the_lengths_are_read_back() -> None:
    head = bundle.encode_head(b"{}", (Signature("0" * 64, 1, 1),), b"", b"keys")
    assert bundle.decode_lengths(head[: HEADER.size]) == Lengths(4, 96, 2)
    assert head[HEADER.size :] == b"keys" + bytes(32) + (1).to_bytes(32, "big") * 2 + b"{}"


@pytest.mark.parametrize(
    "numbers, refusal",
    [
        ((MAGIC, 2**20, 96, 10), Refusal.TOO_LARGE),
        ((MAGIC, 0, 97, 10), Refusal.MALFORMED),
        ((MAGIC, 0, 96 * 9, 10), Refusal.TOO_LARGE),
        ((MAGIC, 0, 96, 2**32 - 1), Refusal.TOO_LARGE),
        ((b"chargerd-bundle2", 0, 96, 10), Refusal.BAD_MAGIC),
    ],
)
def test_lengths_beyond_their_caps_are_refused(numbers: tuple[bytes, int, int, int], refusal: Refusal) -> None:
    with pytest.raises(FirmwareError) as refused:
        bundle.decode_lengths(HEADER.pack(*numbers))
    assert refused.value.refusal is refusal


def test_a_manifest_is_read_back() -> None:
    assert bundle.decode_manifest(values.encode(MANIFEST)) == MANIFEST


def test_the_number_of_chunks_counts_the_short_last_one() -> None:
    for size, chunks in ((1, 1), (4096, 1), (4097, 2), (8192, 2)):
        assert msgspec.structs.replace(MANIFEST, payload_bytes=size).chunks == chunks


@pytest.mark.parametrize(
    "changes, refusal",
    [
        ({"chunk_bytes": 12_288}, Refusal.MALFORMED),
        ({"payload_bytes": 4096 * 32 * 1024 + 1}, Refusal.TOO_LARGE),
        ({"hardware": ("b", "a")}, Refusal.MALFORMED),
    ],
)
def test_what_types_cannot_say_is_checked_as_well(changes: dict[str, object], refusal: Refusal) -> None:
    with pytest.raises(FirmwareError) as refused:
        bundle.decode_manifest(values.encode(msgspec.structs.replace(MANIFEST, **changes)))
    assert refused.value.refusal is refusal


def test_every_head_has_a_bound() -> None:
    """A device reads it into memory: below 2 MiB, whatever stands in it."""
    most = bundle.MAX_MANIFEST_BYTES + bundle.MAX_SIGNATURES_BYTES + bundle.HASH_BYTES * bundle.MAX_CHUNKS
    assert most < 2 * 1024 * 1024
