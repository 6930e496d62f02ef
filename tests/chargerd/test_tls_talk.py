"""What was said: only what tells cases apart, and nothing of a polite end."""

import pytest

from chargerd.tls_talk import Alert, Message, Talk

HANDSHAKE, ALERT, HEADER = 22, 21, 256


def said(talk: Talk, kind: int, data: bytes, direction: str = "read") -> None:
    talk.note(object(), direction, 0x0303, kind, -1, data)


def test_messages_of_both_sides_are_told_apart() -> None:
    talk = Talk()
    said(talk, HANDSHAKE, b"\x01...", "write")
    said(talk, HANDSHAKE, bytes([Message.SERVER_HELLO]))
    assert (talk.said, talk.heard) == ({1}, {Message.SERVER_HELLO})


def test_the_other_side_is_silent_until_it_has_said_anything_at_all() -> None:
    talk = Talk()
    said(talk, HEADER, b"\x16\x03\x01\x00\x05", "write")
    assert talk.silent
    said(talk, HEADER, b"\x15\x03\x03\x00\x02")
    assert not talk.silent


def test_the_last_alert_of_each_side_counts() -> None:
    talk = Talk()
    said(talk, ALERT, bytes([2, Alert.UNKNOWN_CA]))
    said(talk, ALERT, bytes([2, 255]))
    said(talk, ALERT, bytes([2, Alert.INTERNAL_ERROR]), "write")
    assert (talk.alert_heard, talk.alert_said) == (255, Alert.INTERNAL_ERROR)


@pytest.mark.parametrize("polite", [Alert.CLOSE_NOTIFY, Alert.USER_CANCELED])
def test_an_end_like_any_other_is_no_alert(polite: Alert) -> None:
    talk = Talk()
    said(talk, ALERT, bytes([1, polite]))
    assert talk.alert_heard is None
