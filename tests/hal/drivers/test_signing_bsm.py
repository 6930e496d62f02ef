import contextlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from hal.drivers.modbus_line import ModbusLine
from hal.drivers.modbus_unit import ModbusUnit
from hal.drivers.signing_bsm import BsmProcedure
from hal.sim.meter_server import crc, respond
from hal.sim.pictures import MeterValues
from hal.types import SignedKind, SigningPhase
from tests.hal.drivers.ports import Port, frames_of
from tests.hal.drivers.signing_bench import NOW, USER, bench_of, verified
from tests.hal.drivers.signing_books import BsmBook


def test_the_bsm_gets_its_time_once_and_both_identifications(tmp_path: Path) -> None:
    with bench_of("bauer_bsm_ws36a", tmp_path) as bench:
        bench.meter.begin(USER, NOW)
        bench.until(SigningPhase.ACTIVE)
        epoch_s = bench.book.words[40260] << 16 | bench.book.words[40261]
        assert (epoch_s, bench.book.words[40262]) == (int(NOW.timestamp()), 120)
        assert (bench.book.text(40279, 70), bench.book.text(40349, 50)) == (USER, "DE*ABC*E1")
        assert verified(bench.meter.signed(SignedKind.BEGIN) or b"", bench.meter.public_key())["RD"][0]["TX"] == "B"
        bench.meter.end(NOW + timedelta(seconds=20))
        bench.until(SigningPhase.IDLE)
        assert bench.book.written.count(40260) == 1  # it was right to 20 s


def test_a_clock_that_runs_away_is_set_again(tmp_path: Path) -> None:
    with bench_of("bauer_bsm_ws36a", tmp_path) as bench:
        bench.meter.begin(USER, NOW)
        bench.until(SigningPhase.ACTIVE)
        later = NOW + timedelta(seconds=40)
        bench.meter.end(later)
        bench.until(SigningPhase.IDLE)
        assert bench.book.words[40260] << 16 | bench.book.words[40261] == int(later.timestamp())


@pytest.mark.parametrize(
    "status, why",
    [(1, "it was never made"), (3, "an error in the meter"), (5, "feedback"), (99, "unknown reason (99)")],
)
def test_a_snapshot_that_fails_says_why(tmp_path: Path, status: int, why: str) -> None:
    with bench_of("bauer_bsm_ws36a", tmp_path) as bench:
        bench.book.trouble = status
        bench.meter.begin(USER, NOW)
        bench.until(SigningPhase.FAILED)
        assert why in bench.meter.signing().why


def test_the_clock_is_set_by_the_frame_of_the_vendors_example() -> None:
    """Printed in bsm-python's examples: 2021-01-01 10:00:00 in a zone 60 minutes ahead, to unit 42."""
    book, frames = BsmBook(), []
    values = MeterValues(1000.0, 0.0, (0.0,) * 3, (230.0,) * 3, (0.0,) * 3, 50.0)

    def answers(request: bytes) -> bytes:
        frames.append(request)
        body = request[:1] + respond(book, values, 1, request[1:-2])
        return body + crc(body)

    with Port(frames_of(answers)) as port:
        line = ModbusLine.serial(port.path, 115200, "N", 1, 0.2)
        line.join()
        at = datetime(2021, 1, 1, 10, tzinfo=timezone(timedelta(minutes=60)))
        steps = BsmProcedure(ModbusUnit(line, "m", 42, 0), "DE*BDO*E8025334492*2").begin("rfid:12345678abcdef", at)
        with contextlib.suppress(StopIteration):
            while True:
                next(steps)
        line.leave()
    assert bytes.fromhex("2a10 9d44 0003 06 5feee490003c d4b0") in frames
    assert any(frame.startswith(bytes.fromhex("2a10 9d57 0078 f0")) for frame in frames)  # both identifications at once
    assert bytes.fromhex("2a10 a146 0001 02 0002") in [frame[:-2] for frame in frames]  # make the start snapshot
    assert [frame[2:6].hex() for frame in frames[-5:]] == ["a91f0078", "a9970078", "aa0f0078", "aa870078", "aaff0010"]
