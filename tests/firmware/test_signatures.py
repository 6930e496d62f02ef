"""Who may sign, how many must, and in which form."""

import hashlib

import pytest

from firmware import signatures
from firmware.errors import FirmwareError, Refusal
from firmware.signatures import KEY_LIST, MANIFEST, Role
from tests.firmware.kit import key, public, signed

TEXT = b"a text"


def refusal_of(
    role: Role, *by: str, revoked: frozenset[str] = frozenset(), purpose: bytes = MANIFEST
) -> Refusal | None:
    try:
        signatures.check(purpose, TEXT, signed(MANIFEST, TEXT, *by), role, revoked)
    except FirmwareError as refused:
        return refused.refusal
    return None


def test_as_many_of_the_role_as_it_asks_for_must_have_signed() -> None:
    two_of_three = Role(2, public("a", "b", "c"))
    assert refusal_of(two_of_three, "a", "c") is None
    assert refusal_of(two_of_three, "a") is Refusal.TOO_FEW_SIGNATURES
    assert refusal_of(two_of_three, "a", "stranger") is Refusal.TOO_FEW_SIGNATURES
    assert refusal_of(two_of_three, "a", "b", "stranger") is None
    assert refusal_of(two_of_three, "x", "y") is Refusal.UNKNOWN_SIGNER


def test_a_revoked_key_does_not_count_and_is_named_when_it_is_missing() -> None:
    revoked = frozenset({signatures.key_id(key("a").public)})
    assert refusal_of(Role(1, public("a", "b")), "a", "b", revoked=revoked) is None
    assert refusal_of(Role(1, public("a", "b")), "a", revoked=revoked) is Refusal.REVOKED_SIGNER


def test_a_signature_for_one_purpose_is_worth_nothing_for_another() -> None:
    assert refusal_of(Role(1, public("a")), "a", purpose=KEY_LIST) is Refusal.BAD_SIGNATURE


def test_one_bad_signature_by_a_known_key_spoils_all_good_ones() -> None:
    role = Role(1, public("a", "b"))
    good = signed(MANIFEST, TEXT, "a", "b")
    bad = signatures.Signature(good[1].key_id, good[1].r, good[0].s)
    with pytest.raises(FirmwareError) as refused:
        signatures.check(MANIFEST, TEXT, (good[0], bad), role, frozenset())
    assert refused.value.refusal is Refusal.BAD_SIGNATURE


def test_signatures_are_written_and_read_in_order_of_their_signers() -> None:
    found = signed(MANIFEST, TEXT, "a", "b", "c")
    section = signatures.encode(tuple(reversed(found)))
    assert len(section) == 3 * signatures.RECORD_BYTES
    assert signatures.decode(section) == found


@pytest.mark.parametrize("length", [0, 1, 95, 97, 9 * 96])
def test_a_section_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(FirmwareError) as refused:
        signatures.decode(bytes(length))
    assert refused.value.refusal is Refusal.MALFORMED


def test_only_one_of_the_two_forms_of_a_signature_is_canonical() -> None:
    r, s = signatures.canonical(*key("a").sign(hashlib.sha256(b"x").digest()))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    assert signatures.canonical(r, order - s) == (r, s)
    assert s <= order // 2


def test_a_key_is_a_point_of_the_curve_or_refused() -> None:
    signatures.load(key("a").public)
    for wrong in ("02" + "f" * 64, "02" + "0" * 63 + "1"):
        with pytest.raises(FirmwareError) as refused:
            Role(1, (wrong,)).check()
        assert refused.value.refusal is Refusal.BAD_KEY_LIST


def test_a_signature_is_the_same_each_time() -> None:
    assert signed(MANIFEST, TEXT, "a") == signed(MANIFEST, TEXT, "a")
