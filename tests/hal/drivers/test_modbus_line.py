import random
import struct
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hal.drivers.modbus_line import ModbusLine, value_of
from hal.sim.meter_server import crc
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError
from tests.hal.drivers.ports import Port, frames_of

TIMEOUT_S = 0.2


def framed(body: bytes) -> bytes:
    return body + crc(body)


def answered(request: bytes, unit: int = 7, words: int | None = None) -> bytes:
    """The right answer: each register holds its own address."""
    address, count = struct.unpack(">HH", request[2:6])
    wanted = range(address, address + (count if words is None else words))
    return framed(struct.pack(f">BBB{len(wanted)}H", unit, request[1], 2 * len(wanted), *wanted))


def line_to(answers: Callable[[bytes], bytes], timeout_s: float = TIMEOUT_S) -> Iterator[tuple[ModbusLine, Port]]:
    with Port(frames_of(answers)) as port:
        line = ModbusLine.serial(port.path, 115200, "N", 1, timeout_s)
        line.join()
        yield line, port
        line.leave()


def read(line: ModbusLine, *, address: int = 10, count: int = 4, retries: int = 0) -> list[int]:
    return line.read("evse[0].meter", 7, 4, address, count, retries=retries, gap_s=0.0)


def failure_of(answers: Callable[[bytes], bytes], retries: int = 0) -> HalError:
    for line, _ in line_to(answers):
        with pytest.raises(HalError) as caught:
            read(line, retries=retries)
    return caught.value


def test_registers_arrive_in_order() -> None:
    for line, _ in line_to(answered):
        assert read(line) == [10, 11, 12, 13]
        assert read(line, address=0x1000, count=125) == list(range(0x1000, 0x1000 + 125))


def test_the_request_on_the_wire_is_the_one_of_the_standard() -> None:
    seen = []

    def answers(request: bytes) -> bytes:
        seen.append(request)
        return answered(request)

    for line, _ in line_to(answers):
        read(line, address=0x0034, count=2)
    # Unit 7, function 4, address 0x0034, 2 registers; the CRC of pymodbus against one written on its own.
    assert seen == [framed(bytes((7, 4, 0x00, 0x34, 0x00, 0x02)))]


def test_nothing_back_is_silence_and_names_unit_port_and_time() -> None:
    error = failure_of(lambda _: b"")
    assert isinstance(error, DeviceSilent)
    assert "unit 7 on /dev/pts/" in error.why
    assert "did not answer within 200 ms" in error.why


@pytest.mark.parametrize(
    "answers",
    [
        lambda request: answered(request)[:-1] + b"\x00\x00",
        lambda request: answered(request)[:7],
        lambda request: answered(request, unit=8),
        lambda request: answered(request, words=3),
        lambda request: answered(request, words=5),
        lambda request: framed(bytes((7, 3, 2, 0, 1))),
        lambda request: b"\x00",
        lambda request: b"\xff" * 300,
        lambda request: framed(bytes((7, 4, 0))),
        lambda request: framed(bytes((7, 4, 3, 0, 1, 2))),
    ],
    ids=["crc", "short", "unit", "fewer", "more", "function", "zero", "noise", "empty", "odd"],
)
def test_an_answer_that_is_none_is_garbled(answers: Callable[[bytes], bytes]) -> None:
    assert isinstance(failure_of(answers), DeviceGarbled)


@pytest.mark.parametrize(
    "code, text", [(2, r"exception 2 \(illegal data address\)"), (99, r"exception 99 \(unknown\)")]
)
def test_a_refusal_tells_what_was_asked_and_why_not(code: int, text: str) -> None:
    error = failure_of(lambda _: framed(bytes((7, 0x84, code))))
    assert isinstance(error, DeviceGarbled)
    with pytest.raises(DeviceGarbled, match=r"unit 7 refuses registers 0x000A\+4 by function 4: " + text):
        raise error


def test_random_bytes_never_leave_the_line_as_anything_but_a_device_error() -> None:
    chance = random.Random(4)
    for line, _ in line_to(lambda _: chance.randbytes(chance.randrange(1, 40)), 0.05):
        for _ in range(25):
            with pytest.raises((DeviceGarbled, DeviceSilent)):
                read(line)


def test_a_retry_hears_the_second_answer() -> None:
    replies = iter((b"", b"\x07\x04noise", None))
    for line, _ in line_to(lambda request: reply if (reply := next(replies)) is not None else answered(request)):
        assert read(line, retries=2) == [10, 11, 12, 13]


def test_retries_are_bounded() -> None:
    asked: list[bytes] = []

    def answers(request: bytes) -> bytes:
        asked.append(request)
        return b""

    for line, _ in line_to(answers):
        begin = time.monotonic()
        with pytest.raises(DeviceSilent):
            read(line, retries=2)
        assert time.monotonic() - begin < 3 * TIMEOUT_S + 0.5
    assert len(asked) == 3


def test_what_came_late_is_not_taken_for_the_next_answer() -> None:
    for line, port in line_to(answered):
        read(line)
        port.say(framed(struct.pack(">BBB4H", 7, 4, 8, 66, 66, 66, 66)))
        assert line.read("m", 7, 4, 10, 4, retries=0, gap_s=0.1) == [10, 11, 12, 13]


def test_requests_keep_the_silence_that_the_meter_wants() -> None:
    at: list[float] = []

    def answers(request: bytes) -> bytes:
        at.append(time.monotonic())
        return answered(request)

    for line, _ in line_to(answers):
        for _ in range(3):
            line.read("m", 7, 4, 0, 2, retries=0, gap_s=0.1)
    assert min(b - a for a, b in pairwise(at)) >= 0.1


def test_a_port_that_is_gone_is_missing_and_works_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    link = tmp_path / "meter"
    line = ModbusLine.serial(str(link), 9600, "N", 1, TIMEOUT_S)
    line.join()
    for _ in range(2):
        with pytest.raises(DeviceMissing, match="cannot be used; is it plugged in"):
            read(line)
        with Port(frames_of(answered)) as port:
            link.symlink_to(port.path)
            assert read(line) == [10, 11, 12, 13]
        link.unlink()
    line.leave()


def test_the_last_user_closes_the_line_and_it_opens_again_for_the_next() -> None:
    for line, port in line_to(answered):
        read(line)
        line.join()
        line.leave()
        read(line)
        line.leave()
        other = ModbusLine.serial(port.path, 9600, "N", 1, TIMEOUT_S)
        assert read(other) == [10, 11, 12, 13]  # the port is exclusive: it was given back
        other.leave()
        line.join()


@pytest.mark.parametrize(
    "kind, registers, value",
    [
        ("f32", [0x4366, 0x0000], 230.0),  # Eastron's manual gives 230.2 as 43 66 33 34
        ("f32", [0x4366, 0x3334], 230.2),
        ("u16", [0xFFFE], 65534.0),
        ("i16", [0xFFFE], -2.0),
        ("u32", [0x0001, 0x0002], 65538.0),
        ("i32", [0xFFFF, 0xFFFE], -2.0),
        ("u64", [0, 0, 1, 2], 65538.0),
        ("i64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2.0),
        ("f64", [0x4066, 0xC000, 0, 0], 182.0),
    ],
)
def test_registers_decode_in_both_word_orders(kind: str, registers: list[int], value: float) -> None:
    assert value_of(registers, kind, "big") == pytest.approx(value)
    assert value_of(list(reversed(registers)), kind, "little") == pytest.approx(value)
