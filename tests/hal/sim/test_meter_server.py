import math
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from pymodbus.client import ModbusSerialClient
from pymodbus.pdu import ExceptionResponse

from hal.drivers.meter_modbus import ModbusMeter, Settings
from hal.drivers.register_map import load_map
from hal.drivers.sunspec import LARGEST_MAP
from hal.sim.meter_book import MapBook, Refusal
from hal.sim.meter_server import MeterServer, crc, respond
from hal.sim.pictures import MeterValues
from hal.types import DeviceGarbled, DeviceMissing, EvseFacts
from tests.hal.drivers.golden_meters import GOLDEN
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import World, charging

SDM630 = load_map("eastron_sdm630")
VALUES = MeterValues(
    energy_wh=1_234_567.0,
    power_w=6_900.0,
    amps=(10.0, 9.5, 9.0),
    volts=(230.0, 231.0, 229.0),
    phase_watts=(2_300.0, 2_194.5, 2_061.0),
    frequency_hz=50.0,
)


@pytest.fixture
def world() -> World:
    return charging()


@pytest.fixture
def port(world: World, tmp_path: Path) -> Iterator[Path]:
    """The plant's meter as unit 3."""
    path = tmp_path / "run" / "meter-1"
    server = MeterServer(world.evse, "eastron_sdm630", 3, path)
    yield path
    server.close()


def client_of(port: Path) -> ModbusSerialClient:
    return ModbusSerialClient(str(port), baudrate=9600, timeout=0.2, retries=0)


def asked(port: Path, request: bytes, wait_s: float = 0.1) -> bytes:
    """What comes back for raw bytes."""
    with serial.Serial(str(port), 9600, timeout=wait_s) as raw:
        raw.write(request)
        return bytes(raw.read(256))


def request(unit: int = 3, function: int = 4, address: int = 0, count: int = 2) -> bytes:
    body = struct.pack(">BBHH", unit, function, address, count)
    return body + crc(body)


# ---- on the wire, read by pymodbus as an independent peer ----


def test_an_independent_client_reads_the_plant(world: World, port: Path) -> None:
    client = client_of(port)
    answer = client.read_input_registers(0, count=76, device_id=3)
    floats = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
    values = world.evse.meter_values(world.mono)
    assert isinstance(floats, list)
    assert floats[0:6] == pytest.approx([*values.volts, *values.amps])
    assert floats[26] == pytest.approx(values.power_w)
    assert floats[35] == 50
    assert floats[36] * 1000 == pytest.approx(values.energy_wh, abs=0.1)
    client.close()


@pytest.mark.parametrize(
    "function, address, count, code",
    [(3, 0, 2, 1), (4, 0x4C, 1, 2), (4, 0x4A, 3, 2), (4, 0xFFFF, 2, 2), (4, 0, 0, 3), (4, 0, 81, 3), (4, 0, 65535, 3)],
)
def test_what_the_meter_does_not_serve_is_an_exception(function: int, address: int, count: int, code: int) -> None:
    answer = respond(MapBook(SDM630), VALUES, 1, struct.pack(">BHH", function, address, count))
    assert answer == bytes((function | 0x80, code))


def test_an_exception_arrives_as_one(port: Path) -> None:
    client = client_of(port)
    answer = client.read_holding_registers(0, count=2, device_id=3)
    assert isinstance(answer, ExceptionResponse)
    assert answer.exception_code == 1
    client.close()


@pytest.mark.parametrize(
    "frame",
    [request(unit=4), request(unit=0), request()[:-1], request()[:-1] + b"\x00", b"\xff" * 40, b"\x03"],
    ids=["other unit", "broadcast", "short", "crc", "noise", "one byte"],
)
def test_what_is_no_request_to_this_meter_gets_no_answer_and_does_no_harm(port: Path, frame: bytes) -> None:
    assert asked(port, frame) == b""
    assert len(asked(port, request())) == 9


def test_a_meter_that_nobody_reads_stays_alive(port: Path) -> None:
    side = os.open(port, os.O_RDWR | os.O_NOCTTY)
    for _ in range(200):
        os.write(side, request(count=76))
        os.set_blocking(side, False)
    os.close(side)
    give_up_mono = time.monotonic() + 20
    while len(asked(port, request())) != 9:  # answers to those requests may still be on the line
        assert time.monotonic() < give_up_mono


# ---- faults ----


def test_a_stalled_meter_is_silent_and_wakes_again(world: World, port: Path) -> None:
    world.evse.fault("stall_meter")
    assert asked(port, request()) == b""
    world.evse.clear_fault("stall_meter")
    assert len(asked(port, request())) == 9


def test_a_garbled_answer_has_its_length_and_not_its_crc(world: World, port: Path) -> None:
    world.evse.fault("garble_meter")
    answer = asked(port, request())
    assert len(answer) == 9
    assert crc(answer[:-2]) != answer[-2:]


def test_a_frozen_meter_repeats_itself(world: World, port: Path) -> None:
    world.evse.fault("freeze_meter")
    before = asked(port, request(address=0x48))
    world.charge(600)
    assert asked(port, request(address=0x48)) == before
    world.evse.clear_fault("freeze_meter")
    assert asked(port, request(address=0x48)) != before


def test_an_unplugged_meter_takes_its_port_with_it(world: World, port: Path) -> None:
    world.evse.fault("unplug_meter")
    eventually(lambda: not port.exists())
    world.evse.clear_fault("unplug_meter")
    eventually(port.exists)
    assert len(asked(port, request())) == 9


def eventually(condition: object) -> None:
    """The server looks at its plug a few times a second; pytest's own timeout bounds the wait."""
    assert callable(condition)
    while not condition():
        os.sched_yield()


def test_an_answer_may_come_from_a_wrong_address(world: World, port: Path) -> None:
    world.evse.fault("misaddress_meter")
    answer = asked(port, request())
    assert (answer[0], crc(answer[:-2])) == (4, answer[-2:])


def test_an_answer_may_come_late(world: World, port: Path) -> None:
    world.evse.fault("delay_meter", 150)
    begin = time.monotonic()
    with serial.Serial(str(port), 9600, timeout=1) as raw:
        raw.write(request())
        assert len(raw.read(9)) == 9
    assert time.monotonic() - begin >= 0.15


def test_a_meter_may_refuse_with_any_exception(world: World, port: Path) -> None:
    world.evse.fault("refuse_meter")
    assert asked(port, request())[1:3] == bytes((0x84, 0x0B))
    world.evse.fault("refuse_meter", 6)
    assert asked(port, request())[1:3] == bytes((0x84, 6))


def test_a_meter_may_have_no_value(world: World, port: Path) -> None:
    world.evse.fault("nan_meter")
    assert math.isnan(struct.unpack(">f", asked(port, request())[3:7])[0])


def test_a_meter_that_restarted_counts_from_zero_and_one_that_was_swapped_has_another_number(
    world: World, port: Path
) -> None:
    world.evse.fault("restart_meter")
    assert asked(port, request(address=0x48))[3:7] == bytes(4)
    number = request(function=3, address=0xFC00)
    before = asked(port, number)
    world.evse.fault("swap_meter")
    assert asked(port, number) != before


# ---- every map, read by the driver over the wire ----


@pytest.mark.parametrize("name", [*GOLDEN, "sunspec"])
def test_the_driver_reads_the_plant_through_every_map(name: str, tmp_path: Path) -> None:
    registers = LARGEST_MAP if name == "sunspec" else load_map(name)
    world = charging(EvseFacts(max_amps=32, phases=registers.phases))
    server = MeterServer(world.evse, name, 1, tmp_path / "meter")
    settings = Settings(map=name, port=str(tmp_path / "meter"), baud=115200)
    settings.check(world.evse.facts)
    driver = ModbusMeter(settings, world.slot("meter"))
    for _ in range(2):
        world.charge(2)
        sample, values = driver.read(), world.evse.meter_values(world.mono)
        assert sample.volts == pytest.approx(values.volts, abs=1.0)  # the coarsest registers count whole volts,
        assert sample.amps == pytest.approx(values.amps, abs=0.1)  # tenths of an ampere,
        assert sample.power_w == pytest.approx(values.power_w, abs=10)  # tens of watts,
        assert values.energy_wh - sample.energy_wh == pytest.approx(50, abs=51)  # and tenths of a kilowatt-hour
        assert sample.frequency_hz is None or sample.frequency_hz == pytest.approx(50)
        assert sample.at_mono == world.mono
    driver.close()
    server.close()


@pytest.mark.parametrize("name", [*GOLDEN, "sunspec"])
def test_no_map_takes_a_missing_value_for_a_number(name: str, tmp_path: Path) -> None:
    registers = LARGEST_MAP if name == "sunspec" else load_map(name)
    world = charging(EvseFacts(max_amps=32, phases=registers.phases))
    server = MeterServer(world.evse, name, 1, tmp_path / "meter")
    driver = ModbusMeter(Settings(map=name, port=str(tmp_path / "meter"), baud=115200), world.slot("meter"))
    driver.read()
    world.evse.fault("nan_meter")
    with pytest.raises(DeviceGarbled):
        driver.read()
    driver.close()
    server.close()


# ---- writing ----


class Notebook:
    """Holding registers that can be written, but for number 666."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def read(self, function: int, address: int, count: int, values: MeterValues, serial: int) -> list[int]:
        return [self.words.get(each, 0) for each in range(address, address + count)]

    def write(self, address: int, words: list[int]) -> None:
        if address == 666:
            raise Refusal(2)
        self.words |= dict(enumerate(words, start=address))


def test_an_independent_client_writes_and_reads_back(world: World, tmp_path: Path) -> None:
    server = MeterServer(world.evse, "eastron_sdm630", 3, tmp_path / "meter", Notebook())
    client = client_of(tmp_path / "meter")
    assert not client.write_registers(100, list(range(123)), device_id=3).isError()
    assert not client.write_register(7, 0xBEEF, device_id=3).isError()
    assert client.read_holding_registers(100, count=123, device_id=3).registers == list(range(123))
    assert client.read_holding_registers(7, count=1, device_id=3).registers == [0xBEEF]
    refused = client.write_register(666, 1, device_id=3)
    assert isinstance(refused, ExceptionResponse)
    assert refused.exception_code == 2
    client.close()
    server.close()


@pytest.mark.parametrize(
    "body", ["10 0000 0000 00", "10 0000 0002 02 0001", "10 0000 007c f8" + 248 * "00", "01 0000 0001"]
)
def test_a_write_that_is_none_is_refused(body: str) -> None:
    request = bytes.fromhex(body)
    assert respond(Notebook(), VALUES, 1, request) in {bytes((0x90, 3)), bytes((0x81, 1))}


# ---- the port ----


def test_closing_takes_the_port_away_and_leaves_no_descriptor(tmp_path: Path) -> None:
    before = descriptors()
    for _ in range(3):
        server = MeterServer(World().evse, "eastron_sdm630", 1, tmp_path / "meter")
        assert (tmp_path / "meter").exists()
        server.close()
    assert not (tmp_path / "meter").is_symlink()
    assert descriptors() == before


def test_a_stale_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "meter").symlink_to("/dev/pts/nothing")
    server = MeterServer(World().evse, "eastron_sdm630", 1, tmp_path / "meter")
    assert (tmp_path / "meter").exists()
    server.close()


def test_a_path_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = descriptors()
    with pytest.raises(DeviceMissing, match=r"plant meter 1: cannot make .*/file/meter \(File exists\)"):
        MeterServer(World().evse, "eastron_sdm630", 1, tmp_path / "file" / "meter")
    assert descriptors() == before


# ---- frames ----


def test_the_crc_is_the_one_of_the_standard() -> None:
    assert crc(bytes.fromhex("010400000002")) == bytes.fromhex("71cb")  # a frame printed in many meter manuals
    assert crc(b"123456789") == bytes.fromhex("374b")  # catalogue of CRCs, CRC-16/MODBUS: 0x4B37
