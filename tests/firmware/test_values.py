"""One value, one text."""

import msgspec
import pytest

from firmware import values
from firmware.errors import FirmwareError, Refusal


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: int
    b: str


def test_a_text_in_its_one_form_is_read() -> None:
    assert values.decode(Pair, b'{"a":1,"b":"x"}') == Pair(1, "x")
    assert values.encode(Pair(1, "x")) == b'{"a":1,"b":"x"}'


@pytest.mark.parametrize(
    "text",
    [
        b'{"b":"x","a":1}', b'{"a":1,"b":"x"} ', b'{"a":1, "b":"x"}', b'{"a":1,"a":1,"b":"x"}',
        b'{"a":1,"b":"\\u0078"}',
        b'{"a":1.0,"b":"x"}', b'{"a":1,"b":"x","c":1}', b'{"a":1}', b"", b"\xff", b"[" * 100_000,
    ],
)  # fmt: skip
def test_any_other_text_is_refused(text: bytes) -> None:
    with pytest.raises(FirmwareError) as refused:
        values.decode(Pair, text, Refusal.BAD_KEY_LIST)
    assert refused.value.refusal is Refusal.BAD_KEY_LIST


def test_a_set_is_written_in_order_and_each_once() -> None:
    values.check_ascending("things", ("a", "b"))
    for wrong in (("b", "a"), ("a", "a")):
        with pytest.raises(FirmwareError):
            values.check_ascending("things", wrong)
