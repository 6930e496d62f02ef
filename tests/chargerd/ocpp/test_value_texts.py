from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.ocpp.messages.enums import Data
from chargerd.ocpp.value_texts import Form, ValueTextError

LIST = ("a", "b", "c")
FORMS = {
    "bool": Form(Data.BOOLEAN),
    "int": Form(Data.INTEGER, -5, 100),
    "free int": Form(Data.INTEGER),
    "decimal": Form(Data.DECIMAL, 0.5, 99.5),
    "string": Form(Data.STRING, 2, 4),
    "time": Form(Data.DATE_TIME),
    "option": Form(Data.OPTION_LIST, values=LIST),
    "sequence": Form(Data.SEQUENCE_LIST, values=LIST),
    "members": Form(Data.MEMBER_LIST, values=LIST),
}


@pytest.mark.parametrize(
    "form, text, value, back",
    [
        ("bool", "true", True, "true"),
        ("bool", "false", False, "false"),
        ("int", "-5", -5, "-5"),
        ("int", "007", 7, "7"),
        ("decimal", "0.5", 0.5, "0.5"),
        ("decimal", "99.50", 99.5, "99.5"),
        ("decimal", "20", 20.0, "20"),
        ("string", "ab", "ab", "ab"),
        ("string", " äß ", " äß ", " äß "),
        ("time", "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (
            "time",
            "2026-01-02T05:04:05.6789+02:00",
            datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
            "2026-01-02T03:04:05.678Z",
        ),
        ("option", "b", "b", "b"),
        ("sequence", "c, a", ("c", "a"), "c,a"),
        ("members", "", (), ""),
    ],
)
def test_a_good_text_becomes_its_value_and_text_again(form: str, text: str, value: object, back: str) -> None:
    assert FORMS[form].value(text) == value
    assert FORMS[form].text(value) == back


@pytest.mark.parametrize(
    "form, text, reason",
    [
        ("bool", "True", "InvalidValue"),
        ("bool", "1", "InvalidValue"),
        ("bool", "", "InvalidValue"),
        ("int", "-6", "ValueTooLow"),
        ("int", "101", "ValueTooHigh"),
        ("int", "1.0", "InvalidValue"),
        ("int", "+1", "InvalidValue"),
        ("int", "٣", "InvalidValue"),
        ("int", " 1", "InvalidValue"),
        ("int", "1\n", "InvalidValue"),
        ("int", "1_0", "InvalidValue"),
        ("free int", "9" * 30, "InvalidValue"),
        ("decimal", "0.4", "ValueTooLow"),
        ("decimal", "99.6", "ValueTooHigh"),
        ("decimal", "1e1", "InvalidValue"),
        ("decimal", "nan", "InvalidValue"),
        ("decimal", "1.", "InvalidValue"),
        ("string", "a", "ValueOutOfRange"),
        ("string", "abcde", "TooLargeElement"),
        ("time", "2026-01-02", "InvalidValue"),
        ("time", "2026-01-02T03:04:05", "InvalidValue"),
        ("time", "noon", "InvalidValue"),
        ("time", "0001-01-01T00:00:00+05:00", "InvalidValue"),
        ("option", "d", "InvalidValue"),
        ("option", "A", "InvalidValue"),
        ("sequence", "a,d", "InvalidValue"),
        ("sequence", "a,,b", "InvalidValue"),
        ("members", "a,a", "InvalidValue"),
    ],
)
def test_a_bad_text_is_refused_with_a_reason_code(form: str, text: str, reason: str) -> None:
    with pytest.raises(ValueTextError) as caught:
        FORMS[form].value(text)
    assert caught.value.reason == reason
    assert len(caught.value.reason) <= 20
    assert caught.value.why


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_not_known_has_no_text(form: Form) -> None:
    assert form.text(None) == ""


def test_the_reason_for_refusing_a_string_never_repeats_it() -> None:
    with pytest.raises(ValueTextError) as caught:
        FORMS["string"].value("secret")
    assert "secret" not in str(caught.value)


@given(st.sampled_from(list(FORMS.values())), st.text(max_size=30))
def test_no_text_does_anything_but_become_a_value_or_be_refused(form: Form, text: str) -> None:
    try:
        value: Any = form.value(text)
    except ValueTextError:
        return
    assert form.value(form.text(value)) == value
