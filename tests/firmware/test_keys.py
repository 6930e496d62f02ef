"""Lists of keys follow one another, signed by the roots before and their own."""

import msgspec
import pytest

from firmware import keys
from firmware.errors import FirmwareError, Refusal
from firmware.keys import KeyList, SignedList
from firmware.signatures import Role
from tests.firmware.kit import key_list, public, signed_list


def refused(trusted: KeyList, *lists: SignedList) -> Refusal:
    with pytest.raises(FirmwareError) as caught:
        keys.follow(trusted, lists)
    return caught.value.refusal


def test_a_list_signed_by_the_roots_before_and_its_own_is_followed() -> None:
    second = signed_list(key_list(2, roots=["root-2", "root-3"]), "root-2")
    third = signed_list(key_list(3, roots=["root-3"]), "root-3")
    assert keys.follow(key_list(), (second, third)) == (third.keys, third)
    assert keys.follow(second.keys, (second, third)) == (third.keys, third)
    assert keys.follow(third.keys, (second, third)) == (third.keys, None)


def test_a_list_after_a_gap_or_of_another_product_is_refused() -> None:
    third = signed_list(key_list(3), "root-1")
    assert refused(key_list(), third) is Refusal.BAD_KEY_LIST
    assert refused(key_list(), signed_list(key_list(2, product="other"), "root-1")) is Refusal.BAD_KEY_LIST


def test_a_list_needs_as_many_of_the_old_roots_as_they_ask_for() -> None:
    two_roots = key_list(roots_needed=2)
    assert refused(two_roots, signed_list(key_list(2), "root-1")) is Refusal.TOO_FEW_SIGNATURES
    keys.follow(two_roots, (signed_list(key_list(2), "root-1", "root-2"),))


def test_a_list_must_be_signed_by_its_own_roots_so_that_nobody_is_locked_out() -> None:
    assert refused(key_list(), signed_list(key_list(2, roots=["root-9"]), "root-1")) is Refusal.UNKNOWN_SIGNER


def test_a_revoked_root_signs_no_more_lists() -> None:
    second = signed_list(key_list(2, revoked=["root-1"]), "root-2")
    third = signed_list(key_list(3), "root-1")
    assert refused(key_list(), second, third) is Refusal.REVOKED_SIGNER


def test_a_list_is_written_and_read() -> None:
    one, two = signed_list(key_list(), "root-1"), signed_list(key_list(2), "root-1", "root-2")
    assert keys.decode_section(one.encode() + two.encode()) == (one, two)
    assert keys.decode_file(one.encode()) == one


@pytest.mark.parametrize("cut", [1, 15, 16, 23, 24, 100, -1])
def test_a_part_of_a_list_is_refused(cut: int) -> None:
    with pytest.raises(FirmwareError) as caught:
        keys.decode_section(signed_list(key_list(), "root-1").encode()[:cut])
    assert caught.value.refusal is Refusal.BAD_KEY_LIST


def test_what_does_not_begin_as_a_list_does_is_none() -> None:
    content = signed_list(key_list(), "root-1").encode()
    with pytest.raises(FirmwareError, match="does not begin as a key list does"):
        keys.decode_section(b"chargerd-keys-02" + content[16:])


def test_the_roots_of_a_list_are_points_of_the_curve_too() -> None:
    with pytest.raises(FirmwareError, match="no point of P-256"):
        msgspec.structs.replace(key_list(), roots=Role(1, ("02" + "f" * 64,))).check()


def test_the_first_list_of_a_device_is_signed_by_its_own_roots() -> None:
    with pytest.raises(FirmwareError) as caught:
        keys.decode_file(signed_list(key_list(), "release-1").encode())
    assert caught.value.refusal is Refusal.UNKNOWN_SIGNER
    with pytest.raises(FirmwareError):
        keys.decode_file(b"")


def test_no_more_than_eight_lists_are_read() -> None:
    section = signed_list(key_list(), "root-1").encode()
    assert len(keys.decode_section(section * 8)) == 8
    with pytest.raises(FirmwareError):
        keys.decode_section(section * 9)


def test_the_keys_of_a_list_stand_in_order_and_each_once() -> None:
    for keys_ in (("release-1", "release-1"), ("release-1", "release-2", "release-3")):
        wrong = msgspec.structs.replace(key_list(), releases=Role(1, tuple(reversed([*public(*keys_)]))))
        with pytest.raises(FirmwareError, match="in order"):
            wrong.check()
    with pytest.raises(FirmwareError, match="in order"):
        msgspec.structs.replace(key_list(), revoked=("f" * 64, "0" * 64)).check()


def test_a_list_that_would_lock_everybody_out_is_refused() -> None:
    for wrong in (
        key_list(releases_needed=2),
        key_list(revoked=["release-1"]),
        key_list(roots_needed=2, revoked=["root-1"]),
    ):
        with pytest.raises(FirmwareError) as caught:
            wrong.check()
        assert caught.value.refusal is Refusal.BAD_KEY_LIST
