import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from hal.drivers.modbus_line import DeviceRefused, ModbusLine
from hal.sim.meter_server import crc
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError, LineQuality
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
    assert isinstance(error, DeviceRefused)
    assert error.code == code
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
        assert time.monotonic() - begin < 5 * TIMEOUT_S + 0.5  # three questions and two pauses for what may yet come
    assert len(asked) == 3


def test_what_came_late_is_not_taken_for_the_next_answer() -> None:
    for line, port in line_to(answered):
        read(line)
        port.say(framed(struct.pack(">BBB4H", 7, 4, 8, 66, 66, 66, 66)))
        assert line.read("m", 7, 4, 10, 4, retries=0, gap_s=0.1) == [10, 11, 12, 13]


def test_an_answer_that_comes_after_its_time_is_not_taken_for_that_of_another_question() -> None:
    """The first question is answered while the line waits for that to happen: the second one hears its own."""
    asked: list[bytes] = []

    def answers(request: bytes) -> bytes:
        asked.append(request)
        return b"" if len(asked) == 1 else answered(request)

    for line, port in line_to(answers):
        with pytest.raises(DeviceSilent):
            read(line, address=10)
        late = threading.Timer(TIMEOUT_S / 2, port.say, [answered(asked[0])])
        late.start()
        assert read(line, address=90) == [90, 91, 92, 93]
        late.join()
        assert line.quality() == LineQuality(requests=2, answers=1, timeouts=1, resyncs=1, strays=1)


def test_another_unit_is_asked_without_that_pause() -> None:
    for line, _ in line_to(lambda request: answered(request, unit=8) if request[0] == 8 else b""):
        with pytest.raises(DeviceSilent):
            read(line)
        begin = time.monotonic()
        assert line.read("m", 8, 4, 10, 2, retries=0, gap_s=0.0) == [10, 11]
        assert time.monotonic() - begin < TIMEOUT_S


def test_the_answer_is_found_between_those_of_others() -> None:
    """Another unit's late answer, noise, and then the answer."""
    for line, _ in line_to(lambda request: answered(request, unit=8) + b"\x07\x04" + answered(request)):
        assert read(line) == [10, 11, 12, 13]


@pytest.mark.parametrize(
    "answers, text",
    [
        (lambda request: answered(request, unit=8), "is an answer of unit 8, unit 7 was asked"),
        (lambda request: answered(request, words=2), "is an answer of unit 7 to another question"),
        (lambda _: b"\x00\x01\x02", "is no valid answer of unit 7"),
    ],
)
def test_what_came_instead_of_an_answer_is_told(answers: Callable[[bytes], bytes], text: str) -> None:
    error = failure_of(answers)
    assert isinstance(error, DeviceGarbled)
    assert text in error.why


def test_a_line_that_babbles_is_bounded_in_time() -> None:
    stop = threading.Event()

    def babble(port: Port) -> None:
        while not stop.wait(0.005):
            port.say(b"\x55" * 20)

    for line, port in line_to(lambda _: b""):
        babbler = threading.Thread(target=babble, args=(port,))
        babbler.start()
        begin = time.monotonic()
        with pytest.raises(DeviceGarbled):
            read(line)
        assert time.monotonic() - begin < 2 * TIMEOUT_S
        stop.set()
        babbler.join()


def test_quality_is_counted_for_each_unit() -> None:
    script = {1: b"", 2: b"\x00", 3: framed(bytes((3, 0x84, 6)))}
    for line, _ in line_to(lambda request: script.get(request[0], answered(request, unit=request[0]))):
        for unit in (1, 2, 3, 4):
            with contextlib.suppress(HalError):
                line.read("m", unit, 4, 0, 2, retries=0, gap_s=0.0)
        assert line.quality(1) == LineQuality(requests=1, timeouts=1, resyncs=1)
        assert line.quality(2) == LineQuality(requests=1, garbled=1)
        assert line.quality(3) == LineQuality(requests=1, refusals=1)
        assert line.quality(4) == LineQuality(requests=1, answers=1)
        assert line.quality() == LineQuality(requests=4, answers=1, timeouts=1, resyncs=1, garbled=1, refusals=1)
        assert line.quality(5) == LineQuality()


def test_an_adapter_that_hears_itself_is_understood() -> None:
    with Port(frames_of(lambda request: request + answered(request))) as port:
        line = ModbusLine.serial(port.path, 115200, "N", 1, TIMEOUT_S, echo=True)
        line.join()
        assert read(line) == [10, 11, 12, 13]
        line.leave()


# ---- writing, and bits ----


def test_registers_and_coils_are_written_as_the_standard_says() -> None:
    seen: list[bytes] = []

    def answers(request: bytes) -> bytes:
        seen.append(request)
        return request if request[1] in {5, 6} else framed(request[:6])

    for line, _ in line_to(answers):
        line.write_register("m", 7, 0x0102, 0xBEEF, retries=0, gap_s=0.0)
        line.write_registers("m", 7, 0x10, [1, 0xFFFF], retries=0, gap_s=0.0)
        line.write_coil("m", 7, 3, True, retries=0, gap_s=0.0)
    assert seen == [
        framed(bytes.fromhex("07 06 0102 beef")),
        framed(bytes.fromhex("07 10 0010 0002 04 0001 ffff")),
        framed(bytes.fromhex("07 05 0003 ff00")),
    ]


@pytest.mark.parametrize(
    "confirmed, write",
    [
        ("07 06 0102 beee", lambda line: line.write_register("m", 7, 0x0102, 0xBEEF, retries=0, gap_s=0.0)),
        ("07 06 0103 beef", lambda line: line.write_register("m", 7, 0x0102, 0xBEEF, retries=0, gap_s=0.0)),
        ("07 10 0010 0001", lambda line: line.write_registers("m", 7, 0x10, [1, 2], retries=0, gap_s=0.0)),
        ("07 05 0003 0000", lambda line: line.write_coil("m", 7, 3, True, retries=0, gap_s=0.0)),
    ],
)
def test_a_write_that_is_confirmed_otherwise_is_garbled(confirmed: str, write: Callable[[ModbusLine], None]) -> None:
    for line, _ in line_to(lambda _: framed(bytes.fromhex(confirmed))):
        with pytest.raises(DeviceGarbled, match="confirmed"):
            write(line)


@pytest.mark.parametrize("function", [1, 2])
def test_bits_are_read_from_whole_bytes(function: Literal[1, 2]) -> None:
    answer = framed(bytes((7, function, 2, 0b1000_0101, 0b0000_0010)))
    for line, _ in line_to(lambda request: answer if request[1] == function else b""):
        bits = line.read_bits("m", 7, function, 0, 10, retries=0, gap_s=0.0)
        assert bits == [True, False, True, False, False, False, False, True, False, True]


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


# ---- TCP ----


class Gateway:
    """Modbus TCP on loopback that hangs up after every answer, as gateways do with connections they think idle."""

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection:
                    request = connection.recv(12)
                    count = struct.unpack(">H", request[10:12])[0]
                    body = struct.pack(f">BBB{count}H", request[6], request[7], 2 * count, *range(count))
                    connection.sendall(request[:4] + struct.pack(">H", len(body)) + body)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def test_a_connection_that_the_other_side_closed_is_opened_again_for_the_next_question() -> None:
    gateway = Gateway()
    line = ModbusLine.tcp("127.0.0.1", gateway.port, TIMEOUT_S)
    line.join()
    for _ in range(3):
        assert read(line) == [0, 1, 2, 3]
    assert gateway.connections == 3
    assert line.quality() == LineQuality(requests=3, answers=3, reconnects=2)
    line.leave()
    gateway.close()


def test_a_gateway_that_is_gone_is_missing() -> None:
    gateway = Gateway()
    line = ModbusLine.tcp("127.0.0.1", gateway.port, TIMEOUT_S)
    line.join()
    assert read(line) == [0, 1, 2, 3]
    gateway.close()
    with pytest.raises(DeviceMissing, match="cannot be used"):
        read(line)
    assert line.quality().missing == 1
    line.leave()
