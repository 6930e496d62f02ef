from datetime import timedelta

from chargerd.clock import ManualClock
from chargerd.ocpp.known_tokens import file_key, has_expired, is_accepted, is_too_long
from chargerd.ocpp.messages.enums import AuthorizationStatus, IdTokenEnum, MessageFormat
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, MessageContent

CARD = IdToken(id_token="04A1B2C3", type=IdTokenEnum.ISO14443)


def test_tokens_that_count_as_the_same_are_filed_under_the_same_key() -> None:
    assert file_key(CARD) == file_key(IdToken(id_token="04a1b2c3", type=IdTokenEnum.ISO14443))
    assert file_key(CARD) != file_key(IdToken(id_token="04A1B2C3", type=IdTokenEnum.ISO15693))


def test_C10_FR_12_a_key_tells_nothing_of_the_token() -> None:
    assert "04a1b2c3" not in file_key(CARD).lower()


def test_what_is_said_of_a_token_has_an_end() -> None:
    message = MessageContent(format=MessageFormat.UTF8, content="ü" * 512)
    accepted = AuthorizationStatus.ACCEPTED
    assert not is_too_long(IdTokenInfo(status=accepted, personal_message=message, group_id_token=CARD))
    assert is_too_long(IdTokenInfo(status=accepted, evse_id=tuple(range(1, 1000))))


def test_what_is_known_holds_until_its_time_is_over() -> None:
    now = ManualClock().now()
    info = IdTokenInfo(status=AuthorizationStatus.ACCEPTED, cache_expiry_date_time=now.utc + timedelta(seconds=1))
    assert is_accepted(info, now)
    later = ManualClock(utc=now.utc + timedelta(seconds=1)).now()
    assert has_expired(info, later)
    assert not is_accepted(info, later)
    assert not is_accepted(IdTokenInfo(status=AuthorizationStatus.BLOCKED), now)
