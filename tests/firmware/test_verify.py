"""The verifier: what comes out is what was signed, however it is fed, and nothing else ever does."""

import random
import tracemalloc

import pytest

from firmware import bundle
from firmware.bundle import Kind
from firmware.errors import FirmwareError, Refusal
from firmware.verify import Device, Verifier
from tests.firmware.kit import TREE, device, good, key_list, make, manifest_of, signed_list, tree_bytes

PAYLOAD = tree_bytes(TREE)


def fed(content: bytes, to: Device, sizes: random.Random | None = None) -> tuple[bytes, Verifier]:
    """What came out, fed in pieces of random sizes, or whole."""
    verifier = Verifier(to)
    out = b""
    while content:
        count = sizes.randint(1, 9000) if sizes else len(content)
        out += verifier.feed(content[:count])
        content = content[count:]
    return out, verifier


@pytest.mark.parametrize("seed", range(20))
def test_a_good_bundle_comes_out_whole_in_whatever_pieces_it_is_fed(seed: int) -> None:
    out, verifier = fed(good(), device(), random.Random(seed))
    assert out == PAYLOAD
    assert verifier.finish().version == "2.0.0"
    assert verifier.payload_left == 0


def test_byte_by_byte_too() -> None:
    verifier = Verifier(device())
    assert b"".join(verifier.feed(bytes([byte])) for byte in good()) == PAYLOAD
    verifier.finish()


def test_the_head_can_be_kept_and_is_the_bundle_without_its_payload() -> None:
    _, verifier = fed(good(), device())
    assert verifier.head + PAYLOAD == good()


def test_a_chunk_comes_out_only_when_its_last_byte_has_come() -> None:
    content = good()
    head = len(content) - len(PAYLOAD)
    verifier = Verifier(device())
    assert verifier.feed(content[: head + 4095]) == b""
    assert verifier.has_head
    assert verifier.feed(content[head + 4095 : head + 4096]) == PAYLOAD[:4096]


def test_nothing_is_known_of_a_manifest_before_its_signature_holds() -> None:
    content = bytearray(good())
    content[bundle.HEADER.size + 40] ^= 1
    verifier = Verifier(device())
    with pytest.raises(FirmwareError) as refused:
        verifier.feed(bytes(content))
    assert refused.value.refusal is Refusal.BAD_SIGNATURE
    assert verifier.manifest is None


def test_after_a_refusal_the_same_refusal_is_all_that_comes() -> None:
    content = bytearray(good())
    content[-1] ^= 1
    verifier = Verifier(device())
    with pytest.raises(FirmwareError) as first:
        verifier.feed(bytes(content))
    for ask in (lambda: verifier.feed(good()), verifier.finish, lambda: verifier.feed(b"")):
        with pytest.raises(FirmwareError) as again:
            ask()
        assert again.value is first.value
    assert not verifier.has_head


@pytest.mark.parametrize("left", [0, 1, 30, 200, 4000, -1])
def test_an_end_that_comes_too_early_is_noticed(left: int) -> None:
    _, verifier = fed(good()[:left], device())
    with pytest.raises(FirmwareError) as refused:
        verifier.finish()
    assert refused.value.refusal is Refusal.TRUNCATED


@pytest.mark.parametrize(
    "to, refusal",
    [
        (Device("other", "rev-b", key_list(), 0), Refusal.WRONG_PRODUCT),
        (Device("acme-charger", "rev-a", key_list(), 0), Refusal.WRONG_HARDWARE),
        (device(floor=3), Refusal.ROLLED_BACK),
        (device(most_payload_bytes=len(PAYLOAD) - 1), Refusal.TOO_LARGE),
        (device(kinds=frozenset({Kind.RAW})), Refusal.WRONG_KIND),
        (device(ceiling=1), Refusal.TOO_LARGE),
        (device(keys=key_list(releases=["release-2"])), Refusal.UNKNOWN_SIGNER),
        (device(keys=key_list(releases=["release-1", "release-2"], releases_needed=2)), Refusal.TOO_FEW_SIGNATURES),
        (device(keys=key_list(releases=["release-1", "release-2"], revoked=["release-1"])), Refusal.REVOKED_SIGNER),
    ],
)
def test_a_bundle_that_is_not_for_this_device_is_refused_by_name(to: Device, refusal: Refusal) -> None:
    with pytest.raises(FirmwareError) as refused:
        fed(good(), to)
    assert refused.value.refusal is refusal


def test_the_floor_itself_may_be_installed_again() -> None:
    out, _ = fed(good(), device(floor=2))
    assert out == PAYLOAD


def test_a_bundle_brings_the_list_of_keys_that_it_is_signed_under() -> None:
    second = signed_list(key_list(2, releases=["release-2"]), "root-1")
    third = signed_list(key_list(3, releases=["release-3"], revoked=["release-1"]), "root-2")
    content = make(PAYLOAD, by=["release-3"], lists=[second, third])
    out, verifier = fed(content, device())
    assert out == PAYLOAD
    assert verifier.key_list == third
    with pytest.raises(FirmwareError) as refused:
        fed(make(PAYLOAD, by=["release-1"], lists=[second, third]), device())
    assert refused.value.refusal is Refusal.REVOKED_SIGNER


def test_lists_that_a_device_has_followed_already_say_nothing_new() -> None:
    second = signed_list(key_list(2, releases=["release-2"]), "root-1")
    _, verifier = fed(make(PAYLOAD, by=["release-2"], lists=[second]), device(keys=second.keys))
    assert verifier.key_list is None


def test_memory_does_not_grow_with_the_payload() -> None:
    """40 MiB in chunks of the largest size, with 8 MiB to spare for everything."""
    block = bytes(1024 * 1024)
    payload = block * 40
    manifest = manifest_of(payload, kind=Kind.RAW, chunk_bytes=1024 * 1024)
    head = make(payload, manifest)[: -len(payload)]
    del payload
    tracemalloc.start()
    try:
        verifier = Verifier(device(most_payload_bytes=2**30))
        assert not verifier.feed(head)
        came = sum(len(verifier.feed(block[:-1])) for _ in range(40))
        came += len(verifier.feed(bytes(40)))
        verifier.finish()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert came == 40 * 1024 * 1024
    assert most_bytes < 8 * 1024 * 1024
