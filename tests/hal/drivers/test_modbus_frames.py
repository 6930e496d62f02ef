import pytest

from hal.drivers.modbus_frames import answer_bytes, find_answer, find_stray, is_frame
from hal.sim.meter_server import crc


def framed(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc(body)


TWO_REGISTERS = framed("07 04 04 1234 5678")


@pytest.mark.parametrize(
    "function, count, size", [(1, 8, 6), (2, 9, 7), (3, 2, 9), (4, 125, 255), (5, 1, 8), (6, 1, 8), (16, 123, 8)]
)
def test_the_length_of_an_answer_follows_from_the_question(function: int, count: int, size: int) -> None:
    assert answer_bytes(function, count) == size


def test_a_checksum_is_that_of_the_standard() -> None:
    assert is_frame(bytes.fromhex("0104 0000 0002 71cb"))
    assert not is_frame(bytes.fromhex("0104 0000 0002 cb71"))


@pytest.mark.parametrize("before", ["", "00", "07", "0704", "07 04 04 12", "ff 07 04 04 1234"])
def test_an_answer_is_found_behind_whatever_came_before(before: str) -> None:
    assert find_answer(bytes.fromhex(before) + TWO_REGISTERS + b"\x99", 7, 4, 9) == TWO_REGISTERS


def test_an_exception_is_an_answer() -> None:
    refusal = framed("07 84 02")
    assert find_answer(refusal, 7, 4, 9) == refusal


@pytest.mark.parametrize(
    "received",
    [
        TWO_REGISTERS[:-1],
        TWO_REGISTERS[:-2] + b"\x00\x00",
        framed("08 04 04 1234 5678"),
        framed("07 03 04 1234 5678"),
        framed("07 04 02 1234"),
        framed("07 83 02"),
        b"",
        b"\x07\x04",
    ],
    ids=["part", "checksum", "unit", "function", "length", "exception of another", "nothing", "two bytes"],
)
def test_what_does_not_fit_is_no_answer(received: bytes) -> None:
    assert find_answer(received, 7, 4, 9) == b""


@pytest.mark.parametrize(
    "received, unit",
    [
        (framed("08 04 04 1234 5678"), 8),
        (b"\x00" + framed("09 83 0b"), 9),
        (framed("05 06 0001 0002"), 5),
        (framed("0a 01 01 80"), 10),
        (TWO_REGISTERS[:-1], None),
        (b"\xff" * 60, None),
        (b"", None),
    ],
)
def test_a_stray_is_told_by_its_checksum(received: bytes, unit: int | None) -> None:
    assert find_stray(received) == unit
