import json
import math
import tomllib
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest

from chargerd.codec import MAX_BYTES, MAX_DEPTH, CodecError, ErrorCode, convert, decode, encode
from chargerd.ocpp.messages.data_transfer import DataTransfer
from chargerd.ocpp.messages.smart_charging import SetChargingProfile
from chargerd.ocpp.messages.transactions import TransactionEvent

FORMAT = ErrorCode.FORMAT_VIOLATION
OCCURRENCE = ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
PROPERTY = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
RPC = ErrorCode.RPC_FRAMEWORK_ERROR
TYPE = ErrorCode.TYPE_CONSTRAINT_VIOLATION

PROFILE = {
    "evseId": 1,
    "chargingProfile": {
        "id": 7,
        "stackLevel": 2,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "validFrom": "2026-03-01T10:00:00Z",
        "chargingSchedule": [
            {
                "id": 1,
                "startSchedule": "2026-03-01T10:00:00.250Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 10.5}],
            }
        ],
    },
}


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A struct that, unlike messages, writes its defaults and may hold null."""

    name: str
    limit_amps: float | None = 6.0
    parts: tuple[int, ...] = ()


class Tagged(msgspec.Struct, frozen=True, omit_defaults=True, tag=True):
    """A struct that writes a tag the text may leave out."""

    name: str


@dataclass
class Plain:
    """Not a struct at all."""

    name: str
    other: str = ""


def refusal(kind: type[Any], text: str | bytes) -> tuple[ErrorCode, str]:
    """Code and path of the refusal there must be."""
    with pytest.raises(CodecError) as caught:
        decode(kind, text)
    assert 0 < len(caught.value.why) <= 200
    return caught.value.code, caught.value.path


def data(text: str) -> str:
    """A message whose one free value is `text`."""
    return f'{{"vendorId":"x","data":{text}}}'


# ---- the table: how msgspec words its failures is relied on, so a release that changes it must fail here ----


@pytest.mark.parametrize(
    "place, value, code, path",
    [
        (("evseId",), ..., OCCURRENCE, "$.evseId"),
        (("chargingProfile", "id"), ..., OCCURRENCE, "$.chargingProfile.id"),
        (("chargingProfile", "chargingSchedule"), [], OCCURRENCE, "$.chargingProfile.chargingSchedule"),
        (("evseId",), "1", TYPE, "$.evseId"),
        (("evseId",), None, TYPE, "$.evseId"),
        (("evseId",), True, TYPE, "$.evseId"),
        (("evseId",), 1.5, TYPE, "$.evseId"),
        (("evseId",), 2**63, PROPERTY, "$.evseId"),
        (("chargingProfile",), [], TYPE, "$.chargingProfile"),
        (("chargingProfile", "transactionId"), None, TYPE, "$.chargingProfile.transactionId"),
        (("chargingProfile", "transactionId"), "x" * 37, PROPERTY, "$.chargingProfile.transactionId"),
        (("chargingProfile", "chargingProfileKind"), "absolute", PROPERTY, "$.chargingProfile.chargingProfileKind"),
        (("chargingProfile", "validFrom"), "2026-03-01T10:00:00", PROPERTY, "$.chargingProfile.validFrom"),
        (("chargingProfile", "validFrom"), 5, TYPE, "$.chargingProfile.validFrom"),
        (("stray",), 1, FORMAT, "$.stray"),
        (("a b",), 1, FORMAT, "$[...]"),
        (("a\nb",), 1, FORMAT, "$[...]"),
        (("x" * 51,), 1, FORMAT, "$[...]"),
    ],
)
def test_each_failure_has_its_code_and_place(place: tuple[str, ...], value: object, code: ErrorCode, path: str) -> None:
    message: Any = json.loads(json.dumps(PROFILE))
    holder = message
    for name in place[:-1]:
        holder = holder[name]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value

    assert refusal(SetChargingProfile, json.dumps(message)) == (code, path)


def test_a_fault_within_an_array_tells_its_index() -> None:
    text = json.dumps(PROFILE).replace('"limit": 10.5', '"limit": "10.5"')

    path = "$.chargingProfile.chargingSchedule[0].chargingSchedulePeriod[1].limit"
    assert refusal(SetChargingProfile, text) == (TYPE, path)


def test_the_error_says_place_and_reason_and_cuts_what_the_peer_wrote() -> None:
    with pytest.raises(
        CodecError, match=r"^\$\.chargingProfile\.chargingProfileKind: Invalid enum value 'x+$"
    ) as caught:
        decode(SetChargingProfile, json.dumps(PROFILE).replace("Absolute", "x" * 5000))

    assert len(caught.value.why) == 200


# ---- what is not JSON, or too much of it ----


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{'evseId':1}",
        b'{"vendorId":"x"} x',
        b'{"vendorId":"x",}',
        b'\xef\xbb\xbf{"vendorId":"x"}',
        b'{"vendorId":"\xff"}',
        b'{"vendorId":"\xed\xa0\x80"}',
        b'{"vendorId":"\\ud800"}',
        b'{"vendorId":"\\ud800\\ud800"}',
        b'{"\\ud800":"x"}',
        b'{"vendorId":"a\nb"}',
        b'{"vendorId":"x","data":NaN}',
        b'{"vendorId":"x","data":-Infinity}',
        b'{"vendorId":"x","data":{"a":[NaN]}}',
        b'{"vendorId":"x","data":"\xff"}',
        b'{"vendorId":"x","data":01}',
        b'{"vendorId":"x","data":1.}',
        '{"vendorId":"\ud800"}',
    ],
)
def test_what_is_not_json_is_an_rpc_framework_error(text: str | bytes) -> None:
    assert refusal(DataTransfer, text) == (RPC, "$")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400 + ".5", "9" * 5000])
def test_numbers_beyond_the_range_of_a_float_are_refused(number: str) -> None:
    profile = json.dumps(PROFILE)
    assert refusal(SetChargingProfile, profile.replace('"evseId": 1', f'"evseId": {number}')) == (PROPERTY, "$.evseId")
    assert refusal(DataTransfer, data(number)) == (PROPERTY, "$.data")


def test_size_is_capped_in_bytes() -> None:
    envelope = len(data('""'))
    fits = data('"' + "é" * ((MAX_BYTES - envelope) // 2) + '"')

    assert decode(DataTransfer, fits).vendor_id == "x"
    assert refusal(DataTransfer, fits + "  ") == (RPC, "$")
    assert refusal(DataTransfer, b" " * (MAX_BYTES + 1)) == (RPC, "$")
    assert decode(DataTransfer, fits + "  ", max_bytes=MAX_BYTES + 2).vendor_id == "x"


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_nesting_is_capped(opening: str, closing: str) -> None:
    levels = (MAX_DEPTH - 1) // sum(opening.count(bracket) for bracket in "[{")
    levels_left = MAX_DEPTH - 1 - levels * sum(opening.count(bracket) for bracket in "[{")
    inner = "[" * levels_left + "7" + "]" * levels_left

    assert decode(DataTransfer, data(opening * levels + inner + closing * levels)).vendor_id == "x"
    assert refusal(DataTransfer, data("[" + opening * levels + inner + closing * levels + "]")) == (FORMAT, "$")


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 10_000, "[[{" * 100, '["\\"[{' * 100, "{[" * 30_000])
def test_no_nesting_overflows_anything(text: str) -> None:
    for kind in (DataTransfer, Stored, dict[str, Any], list[msgspec.Raw]):
        assert refusal(kind, text)[0] in {FORMAT, RPC, TYPE}
        assert refusal(kind, data(text))[0] in {FORMAT, RPC, TYPE}


def test_brackets_within_strings_are_no_nesting() -> None:
    text = json.dumps({"vendorId": "x", "data": ['[{"\\' * 50, '\\"[[', "}" * 50, {"[" * 60: '"'}]})

    assert decode(DataTransfer, text).data == json.loads(text)["data"]


# ---- what was said twice, or as null ----


@pytest.mark.parametrize(
    "text, path",
    [
        ('{"vendorId":"x","vendorId":"y"}', "$.vendorId"),
        ('{"vendorId":"x","vendorId":"x"}', "$.vendorId"),
        ('{"vendorId":"x","vendor\\u0049d":"y"}', "$.vendorId"),
        ('{"vendorId":"a:","vendorId":"\\u003a"}', "$.vendorId"),
        ('{"vendorId":"\\u003a","data":1,"data":1}', "$.data"),
        (data('{"a":1,"a":2}'), "$.data.a"),
        (data('[0,{"b":{"a":1,"c":[],"a":2}}]'), "$.data[1].b.a"),
        (data('{"b c":1,"b c":2}'), "$.data[...]"),
        (data('{"a":{"b":null},"a":{}}'), "$.data.a"),
        ('{"vendorId":"x","customData":{"vendorId":"x","vendorId":"x"}}', "$.customData.vendorId"),
    ],
)
def test_a_property_given_twice_is_refused_with_its_place(text: str, path: str) -> None:
    assert refusal(DataTransfer, text) == (FORMAT, path)


def test_a_property_given_twice_is_refused_for_types_that_write_more_than_was_read_too() -> None:
    assert refusal(Stored, '{"name":"x","name":"y"}') == (FORMAT, "$.name")
    assert refusal(Tagged, '{"name":"x","name":"y"}') == (FORMAT, "$.name")
    assert refusal(Plain, '{"name":"x","name":"y"}') == (FORMAT, "$.name")
    assert refusal(dict[str, Any], '{"a":{"b":1,"b":1}}') == (FORMAT, "$.a.b")


def test_null_is_refused_where_absence_is_meant_and_kept_where_any_value_may_stand() -> None:
    assert refusal(DataTransfer, '{"vendorId":"x","messageId":null}') == (TYPE, "$.messageId")
    assert refusal(DataTransfer, '{"vendorId":"x","messageId":null,"data":null}') == (TYPE, "$.messageId")
    assert refusal(TransactionEvent, '{"evse":null}')[0] is OCCURRENCE

    assert decode(DataTransfer, data("null")).data is None
    assert decode(DataTransfer, '{"vendorId":"x"}').data is msgspec.UNSET
    assert encode(decode(DataTransfer, data('[null,{"a":null}]'))) == data('[null,{"a":null}]').encode()
    assert decode(Stored, '{"name":"x","limit_amps":null}') == Stored("x", None)


def test_duplicates_are_found_wherever_the_standard_library_finds_them() -> None:
    random = Random("duplicates")
    twice = 0
    for _ in range(3_000):
        text = data(_random_json(random, 4))
        seen: list[bool] = []
        json.loads(text, object_pairs_hook=lambda pairs: seen.append(len(dict(pairs)) < len(pairs)))  # noqa: B023
        twice += any(seen)
        if any(seen):
            assert refusal(DataTransfer, text)[0] is FORMAT, text
        else:
            assert decode(DataTransfer, text).vendor_id == "x"
    assert 300 < twice < 2_700


def _random_json(random: Random, depth: int) -> str:
    match random.randrange(6 if depth else 3):
        case 0:
            return random.choice(["1", "null", "true", "2.5", "-0"])
        case 1 | 2:
            return random.choice(['""', '":"', '"\\":\\""', '"\\\\"', '"\\u003a"', '"{"', '"é"', '"a: b"'])
        case 3:
            return "[" + ", ".join(_random_json(random, depth - 1) for _ in range(random.randrange(3))) + "]"
    names = ['"a"', '"b"', '"\\u0061"', '":"', '"\\u003a"', '"c d"', '"\\""']
    members = [f"{random.choice(names)} : {_random_json(random, depth - 1)}" for _ in range(random.randrange(4))]
    return "{" + ",".join(members) + "}"


# ---- numbers ----


@pytest.mark.parametrize("text, number", [("16.0", 16), ("1e2", 100), ("-5.000E+1", -50), ("0.0", 0), ("7", 7)])
def test_a_whole_number_is_an_integer_however_it_is_written(text: str, number: int) -> None:
    message = json.dumps(PROFILE).replace('"evseId": 1', f'"evseId": {text}').replace('"A"', '"\\u0041"')

    request = decode(SetChargingProfile, message)

    assert request.evse_id == number
    assert type(request.evse_id) is int


def test_strings_that_look_like_numbers_stay_as_they_are() -> None:
    text = '{"vendorId":"1.0 \\"2.0","messageId":"3.0","data":"4.0","customData":{"vendorId":"5.0","n":1.5}}'

    assert json.loads(encode(decode(DataTransfer, text))) == json.loads(text)
    assert refusal(DataTransfer, '{"vendorId":1.0}') == (TYPE, "$.vendorId")


def test_an_integer_is_accepted_where_a_number_is_meant() -> None:
    limits = decode(SetChargingProfile, json.dumps(PROFILE)).charging_profile.charging_schedule[0]

    assert [type(period.limit) for period in limits.charging_schedule_period] == [float, float]
    assert b'"limit":16.0' in encode(limits)


# ---- out ----


def test_text_goes_out_compact_and_as_utf_8() -> None:
    assert encode({"a": [1, 2.5, "é€😀", None, True]}) == '{"a":[1,2.5,"é€😀",null,true]}'.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_never_goes_out(number: float) -> None:
    with pytest.raises(CodecError, match=r"^\$\.limit_amps: -?(nan|inf) is not a finite number$"):
        encode(Stored("x", number))
    with pytest.raises(CodecError, match=r"^\$\.data\[1\]\.a: "):
        encode(DataTransfer(vendor_id="x", data=[None, {"a": number}]))


def test_a_lone_surrogate_never_goes_out() -> None:
    with pytest.raises(CodecError):
        encode(Stored("\ud800"))


@pytest.mark.parametrize("value", [Stored("x"), Stored("null", None, (1, 2)), Stored("é", 0.1)])
def test_any_struct_comes_back_from_its_json(value: Stored) -> None:
    assert decode(Stored, encode(value)) == value


# ---- from TOML ----


def test_a_tree_becomes_a_struct() -> None:
    assert convert(Stored, tomllib.loads('name = "x"\nlimit_amps = 10\nparts = [1, 2]')) == Stored("x", 10.0, (1, 2))


@pytest.mark.parametrize(
    "toml, code, path",
    [
        ("", OCCURRENCE, "$.name"),
        ("name = 7", TYPE, "$.name"),
        ('name = "x"\nlimit_amp = 10', FORMAT, "$.limit_amp"),
        ('name = "x"\nlimit_amps = nan', PROPERTY, "$.limit_amps"),
        ('name = "x"\nparts = [1, "2"]', TYPE, "$.parts[1]"),
    ],
)
def test_a_fault_in_a_tree_has_its_code_and_place(toml: str, code: ErrorCode, path: str) -> None:
    with pytest.raises(CodecError) as caught:
        convert(Stored, tomllib.loads(toml))

    assert (caught.value.code, caught.value.path) == (code, path)


# ---- whatever comes ----


def test_no_bytes_whatsoever_raise_anything_but_a_codec_error() -> None:
    random = Random("garbage")
    kinds: tuple[Any, ...] = (SetChargingProfile, DataTransfer, Stored, list[msgspec.Raw], str, int, dict[str, Any])
    seeds = [json.dumps(PROFILE).encode(), data('{"a":["\\u00e9\\"",1.0e5,null]}').encode(), b'[2,"1","Heartbeat",{}]']
    scraps = [b"", b'"', b"\\", b"{", b"]", b":", b",", b"\xff", b"\\ud800", b"null", b"1e999", b"-", b"\x00", b"1.0"]
    accepted = 0
    for _ in range(10_000):
        text = bytearray(random.choice(seeds))
        for _ in range(random.randrange(4)):
            at = random.randrange(len(text))
            text[at : at + random.randrange(3)] = random.choice(scraps)
        try:
            value = decode(random.choice(kinds), bytes(text))
        except CodecError:
            continue
        encode(value)
        accepted += 1
    assert accepted > 500
