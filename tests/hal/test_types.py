import msgspec
import pytest

from hal.iec61851 import NO_CABLE_OHMS
from hal.types import BoardError, CableRating, DeviceGarbled, DeviceMissing, DeviceSilent, HalError, Token, TokenKind


def test_a_token_does_not_show_its_uid_in_a_log() -> None:
    token = Token("04A1B2C3D4E5F6", TokenKind.ISO14443, 1.0)
    assert "A1B2C3D4E5" not in repr(token)
    assert repr(token) == "Token(04…F6, ISO14443)"


@pytest.mark.parametrize("code", ["1234", "123456", "1234567"])
def test_a_short_code_is_not_shown_at_all(code: str) -> None:
    assert repr(Token(code, TokenKind.KEY_CODE, 1.0)) == "Token(…, KeyCode)"


@pytest.mark.parametrize("kind", [DeviceMissing, DeviceSilent, DeviceGarbled])
def test_each_way_to_fail_is_a_hal_error_that_names_device_and_reason(kind: type[HalError]) -> None:
    error = kind("evse[0].meter", "no answer")
    assert isinstance(error, HalError)
    assert (error.device, error.why, str(error)) == ("evse[0].meter", "no answer", "evse[0].meter: no answer")


def test_a_board_error_reads_as_place_problem_and_remedy() -> None:
    assert str(BoardError("x.toml: board", "no serial", "give one")) == "x.toml: board: no serial; give one"


def test_an_open_proximity_contact_survives_the_way_through_json() -> None:
    reading = CableRating(NO_CABLE_OHMS, None, 1.0)
    assert msgspec.json.decode(msgspec.json.encode(reading), type=CableRating) == reading
