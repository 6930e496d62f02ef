import pytest

from hal.drivers.uids import AWAY_S, ByteOrder, Presence, token_of
from hal.types import DeviceGarbled, Token, TokenKind

UIDS = {4: "04A1B2C3", 7: "04A1B2C3D4E5F6", 10: "04A1B2C3D4E5F60708AB"}


def made(text: str, order: ByteOrder = "as_sent", kind: TokenKind = TokenKind.ISO14443) -> Token | None:
    return token_of("evse[0].reader", bytes.fromhex(text), order, kind, 5.0)


@pytest.mark.parametrize("text", UIDS.values(), ids=list(map(str, UIDS)))
def test_a_uid_of_4_7_or_10_bytes_is_written_in_upper_case_hex(text: str) -> None:
    assert made(text.lower()) == Token(text, TokenKind.ISO14443, 5.0)


def test_a_reader_that_sends_the_last_byte_first_is_turned_round() -> None:
    assert made("C3B2A104", "reversed") == Token("04A1B2C3", TokenKind.ISO14443, 5.0)


def test_a_random_uid_tells_nobody() -> None:
    assert made("08A1B2C3") is None
    assert made("C3B2A108", "reversed") is None


@pytest.mark.parametrize("text", ["18A1B2C3", "04A1B208", "08A1B2C3D4E5F6", "080000000000000000AB"])
def test_a_uid_that_only_resembles_a_random_one_is_taken(text: str) -> None:
    assert made(text) is not None


def test_only_cards_of_type_a_have_random_uids() -> None:
    token = made("08A1B2C3", kind=TokenKind.LOCAL)
    assert token is not None
    assert token.uid == "08A1B2C3"


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 8, 9, 11, 255])
def test_another_length_is_no_uid(count: int) -> None:
    with pytest.raises(DeviceGarbled, match=rf"read an identifier of {count} bytes, ISO14443 has 4 or 7 or 10"):
        made("A5" * count)


def test_an_identifier_of_iso_15693_has_eight_bytes() -> None:
    token = made("E004010012345678", kind=TokenKind.ISO15693)
    assert token is not None
    assert token.kind is TokenKind.ISO15693
    with pytest.raises(DeviceGarbled, match="ISO15693 has 8"):
        made("E0040100123456", kind=TokenKind.ISO15693)


@pytest.mark.parametrize("count", [0, 19])
def test_a_local_identifier_has_a_bound_as_well(count: int) -> None:
    with pytest.raises(DeviceGarbled, match="Local has 1 to 18"):
        made("A5" * count, kind=TokenKind.LOCAL)


@pytest.mark.parametrize("byte", ["00", "FF"])
def test_what_a_dead_line_sends_is_no_uid(byte: str) -> None:
    with pytest.raises(DeviceGarbled, match="equal bytes, as a dead line sends it"):
        made(byte * 4)


@pytest.mark.parametrize("text", ["A1B2C3D4E5", "A1B2C3D4E5F6A7B8"])
def test_no_error_tells_the_identifier(text: str) -> None:
    with pytest.raises(DeviceGarbled) as caught:
        made(text)
    assert "A1B2" not in str(caught.value).upper()


# ---- when a card is new ----


def outcomes(*polls: tuple[float, str | None]) -> list[bool]:
    presence = Presence()
    return [presence.is_new(uid, at_mono) for at_mono, uid in polls]


def test_a_card_that_is_held_is_new_once() -> None:
    assert outcomes(*((poll * 0.2, "A") for poll in range(10))) == [True] + [False] * 9


def test_a_poll_that_fails_does_not_make_it_new() -> None:
    assert outcomes((0.0, "A"), (0.3, None), (0.6, "A")) == [True, False, False]


def test_a_card_shown_again_after_half_a_second_is_new() -> None:
    away = ((0.2, None), (0.4, None))
    assert outcomes((0.0, "A"), *away, (AWAY_S, "A")) == [True, False, False, True]


def test_a_card_shown_again_just_before_is_not() -> None:
    away = ((0.2, None), (0.4, None))
    assert outcomes((0.0, "A"), *away, (AWAY_S - 0.01, "A")) == [True, False, False, False]


def test_another_card_is_new_at_once() -> None:
    assert outcomes((0.0, "A"), (0.2, "B")) == [True, True]


def test_two_cards_in_one_purse_are_each_new_once() -> None:
    polls = [(poll * 0.2, "AB"[poll % 2]) for poll in range(10)]
    assert outcomes(*polls) == [True, True] + [False] * 8


def test_cards_that_left_are_forgotten() -> None:
    presence = Presence()
    for poll in range(100):
        presence.is_new(f"{poll:08X}", poll * 0.2)
    assert len(presence._seen) < 5
