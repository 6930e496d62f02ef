import json
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from hal.board import Board, load_board, open_board
from hal.types import BoardError, DeviceMissing, HalError, PilotMode
from tests.hal.boards import BENCH, BENCH_DUAL, BENCH_METERS, bench_tables, write
from tests.hal.drivers.ports import descriptors

MODBUS = {"driver": "meter_modbus", "map": "eastron_sdm630"}


class Clock:
    def __init__(self) -> None:
        self.mono = 1000.0

    def __call__(self) -> float:
        return self.mono


def least(tmp_path: Path, **evse: object) -> Path:
    tables = bench_tables()
    tables["evse"][0].update(evse)
    return write(tmp_path / "board.toml", tables)


@pytest.mark.parametrize("path", [BENCH, BENCH_DUAL, BENCH_METERS], ids=["bench", "dual", "meters"])
def test_every_device_of_a_bench_answers(path: Path) -> None:
    board = open_board(load_board(path))
    for facts, evse in zip(board.facts.evses, board.evses, strict=True):
        assert evse.pilot.read().high_volts == pytest.approx(12, abs=0.2)
        assert evse.relays.read().closed is False
        assert evse.meter is not None
        assert len(evse.meter.read().amps) == facts.phases
        for fitted, device in (
            (facts.has_proximity, evse.proximity),
            (facts.has_lock, evse.lock),
            (facts.has_residual, evse.residual),
            (facts.has_thermometer, evse.thermometer),
        ):
            assert fitted == (device is not None)
            assert device is None or device.read() is not None
    board.close()


def test_the_facts_are_those_of_the_file() -> None:
    board = open_board(load_board(BENCH))
    facts = board.facts
    assert (facts.vendor, facts.model, facts.serial, facts.simulated) == ("chargerd", "Bench", "BENCH-0001", True)
    assert facts.evses[0].part("meter") is not None
    assert facts.evses[0].part("plug_thermometer") is None or facts.evses[0].has_plug_thermometer
    board.close()


def test_a_part_says_whose_product_it_is() -> None:
    board = open_board(load_board(BENCH_METERS))
    makers = {(part.vendor, part.model) for evse in board.facts.evses if (part := evse.part("meter")) is not None}
    assert ("ABB", "B23") in makers
    board.close()


def test_a_board_lives_by_the_clock_it_is_given(tmp_path: Path) -> None:
    clock = Clock()
    board = open_board(load_board(least(tmp_path)), monotonic=clock)
    evse = board.evses[0]
    evse.relays.hold(True, 1.0)
    clock.mono += 0.5
    assert (evse.relays.read().closed, evse.relays.read().at_mono) == (True, 1000.5)
    clock.mono += 1.0
    assert evse.relays.read().closed is False
    board.close()


def test_the_meters_of_the_dual_bench_are_read_on_their_own_ports(tmp_path: Path) -> None:
    board = open_board(load_board(BENCH_DUAL), run_dir=tmp_path)
    assert board.plant is not None
    board.plant.evse(2).fault("stall_meter")
    first, second = (evse.meter for evse in board.evses)
    assert first is not None
    assert second is not None
    assert len(first.read().amps) == 3
    with pytest.raises(HalError, match=r"evse\[1\].meter: unit 2 on .*/meter-2 did not answer"):
        second.read()
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_a_board_opened_without_its_meters_takes_no_port_from_another(tmp_path: Path) -> None:
    config = load_board(BENCH)
    board = open_board(config, run_dir=tmp_path)
    evse = config.evses[0]
    fewer = msgspec.structs.replace(evse, devices=tuple(d for d in evse.devices if d.role in {"pilot", "relays"}))
    open_board(msgspec.structs.replace(config, evses=(fewer,)), run_dir=tmp_path).close()
    assert board.evses[0].meter is not None
    assert board.evses[0].meter.read().energy_wh > 0
    board.close()


def test_closing_leaves_no_thread_no_descriptor_and_no_directory() -> None:
    open_board(load_board(BENCH)).close()
    threads, files = threading.active_count(), descriptors()
    board = open_board(load_board(BENCH))
    port = Path(str(board.evses[0].meter._settings.port))  # type: ignore[union-attr]
    assert port.exists()
    board.close()
    assert (threading.active_count(), descriptors()) == (threads, files)
    assert not port.parent.exists()


# ---- the safe state ----


def closed_and_offering(tmp_path: Path) -> tuple[Board, Clock]:
    clock = Clock()
    tables = bench_tables()
    tables["evse"] = [tables["evse"][0], dict(tables["evse"][0])]
    board = open_board(load_board(write(tmp_path / "board.toml", tables)), monotonic=clock)
    for evse in board.evses:
        evse.pilot.set(PilotMode.PWM, 20)
        evse.relays.hold(True, 5)
    clock.mono += 0.1
    return board, clock


def test_the_safe_state_is_open_contactors_and_steady_12_volts(tmp_path: Path) -> None:
    board, clock = closed_and_offering(tmp_path)
    assert board.safe_state() == []
    clock.mono += 0.1
    for evse in board.evses:
        reading = evse.pilot.read()
        assert (reading.high_volts, reading.low_volts) == pytest.approx((12, 12), abs=0.2)
        assert evse.relays.read().closed is False
    board.close()


def test_the_safe_state_tries_every_device_whatever_the_others_do(tmp_path: Path) -> None:
    board, clock = closed_and_offering(tmp_path)

    class Broken:
        def hold(self, closed: bool, for_s: float) -> None:
            raise HalError("evse[0].relays", "jammed")

    object.__setattr__(board.evses[0], "relays", Broken())
    assert [str(error) for error in board.safe_state()] == ["evse[0].relays: jammed"]
    clock.mono += 0.1
    assert board.evses[0].pilot.read().low_volts == pytest.approx(12, abs=0.2)
    assert board.evses[1].relays.read().closed is False
    board.close()


# ---- what is not there ----


def test_a_device_that_is_not_there_is_told_and_the_others_are_given_back(tmp_path: Path) -> None:
    path = least(tmp_path, meter={**MODBUS, "port": str(tmp_path / "ttyUSB0")})
    before = descriptors()
    with pytest.raises(
        DeviceMissing, match=r"evse\[0\].meter: .*/ttyUSB0 is not there; plug the adapter in, or mend 'port'"
    ):
        open_board(load_board(path), desk=tmp_path / "desk")
    assert descriptors() == before
    assert not (tmp_path / "desk").exists()


def test_the_serial_may_be_in_a_file_as_the_kernel_writes_it(tmp_path: Path) -> None:
    tables = bench_tables()
    del tables["board"]["serial"]
    tables["board"]["serial_file"] = str(tmp_path / "serial")
    config = load_board(write(tmp_path / "board.toml", tables))
    (tmp_path / "serial").write_bytes(b"10000000a1b2c3d4\0")
    board = open_board(config)
    assert board.facts.serial == "10000000a1b2c3d4"
    board.close()
    for wrong in (b"", b"\0\n", b"x" * 26, b"\xff\xff", b"a\x07b"):
        (tmp_path / "serial").write_bytes(wrong)
        with pytest.raises(BoardError, match=r"serial_file: .* holds no serial; expected 1 to 25 printable characters"):
            open_board(config)
    (tmp_path / "serial").unlink()
    with pytest.raises(BoardError, match=r"cannot read .*/serial \(No such file or directory\); name a readable file"):
        open_board(config)


# ---- the desk ----


def test_the_desk_opens_only_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    board = open_board(load_board(least(tmp_path)), desk=path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.connect(str(path))
        caller.sendall(b'{"verb": "plug_in", "evse": 1}\n')
        assert json.loads(caller.recv(1000)) == {"ok": True}
    assert board.evses[0].pilot.read().high_volts == pytest.approx(9, abs=0.2)
    board.close()
    assert not path.exists()
