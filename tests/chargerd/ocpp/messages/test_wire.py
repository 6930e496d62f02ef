from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from chargerd import codec
from chargerd.codec import CodecError, ErrorCode
from chargerd.ocpp.messages.authorization import Authorize, AuthorizeResponse
from chargerd.ocpp.messages.availability import Heartbeat, HeartbeatResponse
from chargerd.ocpp.messages.certificates import Get15118EVCertificate
from chargerd.ocpp.messages.enums import IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.messages.wire import Call, CustomData, Timestamp, Wire

TEN = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


def written(moment: datetime) -> str:
    """How a time goes out."""
    return codec.encode(HeartbeatResponse(current_time=moment)).decode().split('"')[3]


def read(text: str) -> datetime:
    """How a time comes in."""
    return codec.decode(HeartbeatResponse, codec.encode({"currentTime": text})).current_time


def test_a_call_knows_its_action_and_its_answer() -> None:
    def answer_of(call: Call[AuthorizeResponse]) -> type[AuthorizeResponse]:
        return call.response()

    token = IdToken(id_token="04A2", type=IdTokenEnum.ISO14443)

    assert Authorize.action == "Authorize"
    assert answer_of(Authorize(id_token=token)) is AuthorizeResponse
    assert Heartbeat.response() is HeartbeatResponse


def test_an_instance_field_called_action_does_not_hide_the_action() -> None:
    text = '{"iso15118SchemaVersion":"x","action":"Install","exiRequest":"y"}'

    request = codec.decode(Get15118EVCertificate, text)

    assert request.action == "Get15118EVCertificate"
    assert request.certificate_action == "Install"


def test_absent_fields_are_none_and_are_never_written() -> None:
    token = IdToken(id_token="04A2", type=IdTokenEnum.ISO14443)

    assert token.additional_info is None
    assert codec.encode(token) == b'{"idToken":"04A2","type":"ISO14443"}'


def test_structs_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Heartbeat().custom_data = CustomData("org.example")  # type: ignore[misc]


@pytest.mark.parametrize(
    "moment, text",
    [
        (TEN, "2026-03-01T10:00:00Z"),
        (TEN.replace(microsecond=999), "2026-03-01T10:00:00Z"),
        (TEN.replace(microsecond=1_999), "2026-03-01T10:00:00.001Z"),
        (TEN.replace(microsecond=500_000), "2026-03-01T10:00:00.500Z"),
        (TEN.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-03-01T10:00:00Z"),
        (TEN.astimezone(timezone(-timedelta(hours=8))).replace(microsecond=123_456), "2026-03-01T10:00:00.123Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_any_aware_time_goes_out_in_utc_with_at_most_milliseconds(moment: datetime, text: str) -> None:
    assert written(moment) == text
    assert written(read(text)) == text


def test_the_struct_itself_already_holds_the_time_of_the_wire() -> None:
    response = HeartbeatResponse(current_time=TEN.replace(microsecond=123_456))
    later = msgspec.structs.replace(response, current_time=response.current_time + timedelta(microseconds=900))

    assert response.current_time == TEN.replace(microsecond=123_000)
    assert later == response
    assert response.current_time.utcoffset() == timedelta(0)


def test_a_time_taken_from_a_message_is_a_time_like_any_other() -> None:
    half_past = read("2026-03-01T10:00:00.500Z")
    elsewhere = half_past.astimezone(timezone(timedelta(hours=2)))

    assert half_past + timedelta(milliseconds=500) == TEN + timedelta(seconds=1)
    assert codec.encode(half_past + timedelta(milliseconds=250)) == b'"2026-03-01T10:00:00.750Z"'
    assert codec.encode(elsewhere) == b'"2026-03-01T12:00:00.500+02:00"'
    assert written(elsewhere) == "2026-03-01T10:00:00.500Z"


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2026-03-01T10:00:00Z", TEN),
        ("2026-03-01t10:00:00z", TEN),
        ("2026-03-01T10:00:00.0Z", TEN),
        ("2026-03-01T10:00:00.5Z", TEN.replace(microsecond=500_000)),
        ("2026-03-01T10:00:00.123456789012345678Z", TEN.replace(microsecond=123_000)),
        ("2026-03-01T12:00:00+02:00", TEN),
        ("2026-02-28T22:01:00.25-11:59", TEN.replace(microsecond=250_000)),
        ("2026-03-01T10:00:00-00:00", TEN),
    ],
)
def test_rfc_3339_comes_in_with_any_fraction_and_offset(text: str, moment: datetime) -> None:
    assert read(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00",
        "2026-03-01",
        "2026-03-01T10:00Z",
        "20260301T100000Z",
        "2026-02-29T10:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:00.Z",
        "2026-03-01T10:00:00+24:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1772359200",
        "",
    ],
)
def test_what_is_no_time_with_a_zone_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(CodecError) as refusal:
        read(text)

    assert (refusal.value.code, refusal.value.path) == (ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "$.currentTime")


def test_a_time_without_zone_cannot_even_be_put_into_a_struct() -> None:
    with pytest.raises(ValueError, match=r"no time zone - at `\$.currentTime`"):
        HeartbeatResponse(current_time=TEN.replace(tzinfo=None))


def test_a_struct_whose_times_would_go_unseen_cannot_be_declared() -> None:
    with pytest.raises(AssertionError, match="annotations must be types"):
        type("Late", (Wire,), {"__annotations__": {"at": "Timestamp"}, "__module__": __name__})


def test_optional_times_are_kept_in_wire_form_too() -> None:
    class Window(Wire):
        begin_at: Timestamp | None = None
        end_at: Timestamp | None = None

    window = Window(end_at=TEN.replace(microsecond=1_001))

    assert codec.encode(window) == b'{"endAt":"2026-03-01T10:00:00.001Z"}'


def test_custom_data_keeps_whatever_a_vendor_adds() -> None:
    text = '{"customData":{"vendorId":"org.example","list":[1,2.5,null,{"deep":{"a":"b"}}],"flag":false}}'

    request = codec.decode(Heartbeat, text)

    assert request.custom_data is not None
    assert request.custom_data.vendor_id == "org.example"
    assert codec.encode(request).decode() == text


def test_custom_data_is_a_value() -> None:
    members: dict[str, Any] = {"list": [1]}
    one, two = CustomData("org.example", members), CustomData("org.example", {"list": [1]})
    members["list"].append(2)
    one.to_json()["list"].append(3)

    assert one == two
    assert hash(one) == hash(two)
    assert one != CustomData("org.example")
    assert repr(two) == "CustomData({'vendorId': 'org.example', 'list': [1]})"


@pytest.mark.parametrize(
    "custom_data, code, path",
    [
        ("{}", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "$.customData.vendorId"),
        ('{"vendorId":7}', ErrorCode.TYPE_CONSTRAINT_VIOLATION, "$.customData.vendorId"),
        ('{"vendorId":null}', ErrorCode.TYPE_CONSTRAINT_VIOLATION, "$.customData.vendorId"),
        ('{"vendorId":"' + "x" * 256 + '"}', ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "$.customData.vendorId"),
        ("[]", ErrorCode.TYPE_CONSTRAINT_VIOLATION, "$.customData"),
        ("null", ErrorCode.TYPE_CONSTRAINT_VIOLATION, "$.customData"),
        ('{"vendorId":"x","a":[{"b":1,"b":2}]}', ErrorCode.FORMAT_VIOLATION, "$.customData.a[0].b"),
    ],
)
def test_custom_data_that_is_none_is_refused_with_its_place(custom_data: str, code: ErrorCode, path: str) -> None:
    with pytest.raises(CodecError) as refusal:
        codec.decode(Heartbeat, f'{{"customData":{custom_data}}}')

    assert (refusal.value.code, refusal.value.path) == (code, path)
