"""Whom a CSMS lets in, by its security profile."""

import pytest

from chargerd.conformance.authority import CSMS_ROOT, OTHER_ROOT, authority
from chargerd.conformance.door import SCHEMES, Door, Shown, door


def test_the_usual_door_of_each_profile_asks_for_what_the_profile_says() -> None:
    assert door(1, "word") == Door(passwords=("word",))
    assert door(2, "word") == Door(security_profile=2, authority=authority(CSMS_ROOT), passwords=("word",))
    third = door(3, "word", OTHER_ROOT)
    assert third.authority is authority(OTHER_ROOT)
    assert third.passwords is None
    assert authority(CSMS_ROOT) in third.clients


@pytest.mark.parametrize("security_profile", [1, 2, 3])
def test_tls_is_spoken_where_the_address_says_so(security_profile: int) -> None:
    assert (door(security_profile, "word").authority is not None) == (SCHEMES[security_profile] == "wss")


def test_what_was_shown_is_not_in_any_words() -> None:
    assert "word" not in repr(Shown(security_profile=1, identity="X", user="X", password="word"))
