from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hal.drivers.modbus_line import DeviceRefused, ModbusLine
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_steps import PIECE, TRIES, Steps, T, again, read_later, utc_offset_min
from hal.sim.meter_server import crc
from hal.types import DeviceMissing, DeviceSilent, HalError
from tests.hal.drivers.ports import Port, frames_of


def run(steps: Steps[T]) -> tuple[T, int]:
    """What comes out, and after how many steps."""
    taken = 0
    while True:
        try:
            next(steps)
        except StopIteration as last:
            result: T = last.value
            return result, taken
        taken += 1


def failing(times: int, error: HalError) -> Callable[[], str]:
    left = iter(range(times))

    def ask() -> str:
        if next(left, None) is not None:
            raise error
        return "answer"

    return ask


def test_a_lost_answer_is_asked_for_again_at_the_next_step() -> None:
    assert run(again(failing(TRIES - 1, DeviceSilent("m", "nothing")))) == ("answer", TRIES - 1)


@pytest.mark.parametrize(
    "times, error",
    [(TRIES, DeviceSilent("m", "nothing")), (1, DeviceRefused("m", "no", 2)), (1, DeviceMissing("m", "gone"))],
)
def test_what_stays_lost_or_is_refused_is_told(times: int, error: HalError) -> None:
    with pytest.raises(type(error)):
        run(again(failing(times, error)))


def test_a_long_text_takes_a_step_for_each_request() -> None:
    def answers(request: bytes) -> bytes:
        start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        words = b"".join(each.to_bytes(2, "big") for each in range(start, start + count))
        body = bytes((request[0], request[1], 2 * count)) + words
        return body + crc(body)

    with Port(frames_of(answers)) as port:
        line = ModbusLine.serial(port.path, 115200, "N", 1, 0.2)
        line.join()
        raw, taken = run(read_later(ModbusUnit(line, "m", 1, 0), 3, 1000, 2 * PIECE + 5))
        line.leave()
    assert taken == 3
    assert raw == b"".join(each.to_bytes(2, "big") for each in range(1000, 1000 + 2 * PIECE + 5))


@pytest.mark.parametrize("hours, word", [(0, 0), (2, 120), (-5, 0x10000 - 300), (5.75, 345)])
def test_an_offset_is_minutes_ahead_of_utc(hours: float, word: int) -> None:
    assert utc_offset_min(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=hours)))) == word
    assert utc_offset_min(datetime(2026, 1, 1, tzinfo=UTC)) == 0
