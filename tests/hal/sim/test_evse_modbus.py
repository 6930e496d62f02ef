import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusSerialClient

from hal.sim.evse_modbus import STOP_S, EvseWb, ModuleBook, PhoenixSer, answer, request_bytes
from hal.types import EvseFacts, PilotMode
from tests.hal.drivers.modules import module_at
from tests.hal.plants import RealWorld, World

TICK_S = 0.025


class Rig:
    """A module on virtual time, without a wire."""

    def __init__(self, make: Callable[[Any], ModuleBook], **facts: Any) -> None:
        self.world = World(EvseFacts(**{"max_amps": 32, "phases": 3, **facts}))
        self.evse = self.world.evse
        self.book = make(self.evse)
        self.book.power_on(self.world.mono)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.world.wait(TICK_S)
            self.evse.catch_up()
            self.book.tick(self.world.mono)

    def write(self, function: int, address: int, value: int) -> bytes:
        body = struct.pack(">BHH", function, address, 1 if function == 16 else value)
        return answer(self.book, body + (struct.pack(">BH", 2, value) if function == 16 else b""))

    def read(self, address: int, count: int = 1, function: int = 3) -> tuple[int, ...]:
        said = answer(self.book, struct.pack(">BHH", function, address, count))
        assert said[0] == function, said
        return struct.unpack(f">{count}H", said[2:])

    def charge(self) -> None:
        self.evse.plug_in()
        self.evse.ev_ready()
        self.offer()
        self.run(5.0)
        assert self.evse.contacts_closed

    def closed(self) -> bool:
        return self.evse.contacts_closed

    def offer(self, amps: int = 13) -> None:
        if isinstance(self.book, EvseWb):
            self.write(16, 1000, amps * 100)
        else:
            self.write(6, 22000, amps)
            self.write(5, 20000, 0xFF00)

    def withdraw(self) -> None:
        if isinstance(self.book, EvseWb):
            self.write(16, 1000, 0)
        else:
            self.write(5, 20000, 0)


@pytest.fixture(params=[EvseWb, PhoenixSer])
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


# ---- what every module does ----


def test_it_closes_by_itself_for_a_vehicle_that_asks_while_current_is_offered(rig: Rig) -> None:
    rig.evse.plug_in()
    rig.evse.ev_ready()
    rig.run(2.0)
    assert not rig.closed()
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_HIGH
    rig.offer()
    rig.run(2.0)
    assert rig.closed()
    assert rig.evse.offer_amps == pytest.approx(13.0, abs=0.01)


def test_it_goes_on_offering_when_nobody_speaks_to_it(rig: Rig) -> None:
    rig.charge()
    rig.run(600.0)
    assert rig.closed()


def test_it_opens_within_100_ms_when_the_vehicle_leaves(rig: Rig) -> None:
    rig.charge()
    rig.evse.plug_out(force=True)
    rig.run(0.1)
    assert not rig.closed()


def test_an_offer_that_ends_gives_the_vehicle_time_and_no_more(rig: Rig) -> None:
    rig.charge()
    rig.withdraw()
    rig.run(0.5)
    assert rig.closed()
    rig.run(2.0)
    assert not rig.closed()


def test_a_vehicle_that_never_stops_is_cut_off(rig: Rig) -> None:
    rig.evse.plug_in(quirks=("never_stops",))
    rig.evse.ev_ready()
    rig.offer()
    rig.run(5.0)
    rig.withdraw()
    rig.run(STOP_S - 0.2)
    assert rig.closed()
    rig.run(0.4)
    assert not rig.closed()


def test_a_lower_current_is_offered_at_once(rig: Rig) -> None:
    rig.charge()
    rig.offer(10)
    rig.run(TICK_S)
    assert rig.evse.offer_amps == pytest.approx(10.0, abs=0.02)


def test_less_than_6_a_is_no_offer() -> None:
    rig = Rig(EvseWb)
    rig.write(16, 1000, 599)
    rig.run(0.2)
    assert rig.evse.state().pilot_mode is PilotMode.STEADY_HIGH


def test_the_cable_limits_the_offer(rig: Rig) -> None:
    rig.evse.plug_in(13)
    rig.offer(16)
    rig.run(0.5)
    assert rig.evse.offer_amps == pytest.approx(13.0, abs=0.01)


@pytest.mark.parametrize("fault", ["trip_rcd", "trip_rcd_dc"])
def test_a_residual_current_ends_the_charge_until_the_vehicle_has_gone(rig: Rig, fault: str) -> None:
    rig.charge()
    rig.evse.fault(fault)
    rig.run(0.1)
    assert not rig.closed()
    rig.evse.clear_fault(fault)
    rig.run(5.0)
    assert not rig.closed()
    rig.evse.plug_out(force=True)
    rig.run(0.5)
    rig.charge()


def test_a_vehicle_without_a_diode_is_not_charged(rig: Rig) -> None:
    rig.evse.plug_in(quirks=("no_diode",))
    rig.evse.ev_ready()
    rig.offer()
    rig.run(3.0)
    assert not rig.closed()


def test_ventilation_is_refused_where_there_is_none() -> None:
    for ventilated in (False, True):
        rig = Rig(EvseWb, ventilated=ventilated)
        rig.evse.plug_in(quirks=("ventilation",))
        rig.evse.ev_ready()
        rig.offer()
        rig.run(3.0)
        assert rig.closed() is ventilated


def test_after_a_loss_of_power_nothing_is_offered(rig: Rig) -> None:
    rig.charge()
    rig.book.power_on(rig.world.mono)
    rig.run(1.0)
    assert rig.evse.offer_amps == 0.0
    assert not rig.closed()


# ---- the registers of an EVSE-WB ----


def test_an_evse_wb_tells_what_it_does() -> None:
    rig = Rig(EvseWb)
    rig.run(0.2)
    assert rig.read(1000, 8) == (0, 0, 1, 0, 0, 18, 1, 0)
    rig.charge()
    assert rig.read(1000, 8) == (1300, 1300, 3, 32, 0, 18, 2, 1)
    rig.evse.fault("trip_rcd_dc")
    rig.run(0.2)
    assert rig.read(1000, 8) == (1300, 0, 5, 32, 0, 18, 1, 0b100000)


def test_an_evse_wb_is_switched_off_at_once_and_on_again() -> None:
    rig = Rig(EvseWb)
    rig.charge()
    rig.write(16, 1004, 1)
    rig.run(0.1)
    assert not rig.closed()
    assert rig.read(1006) == (3,)
    rig.write(16, 1004, 0)
    rig.run(3.0)
    assert rig.closed()


def test_an_evse_wb_that_is_set_so_offers_by_itself_after_a_loss_of_power() -> None:
    rig = Rig(EvseWb)
    rig.write(16, 2000, 16)
    rig.book.power_on(rig.world.mono)
    rig.run(0.2)
    assert rig.evse.offer_amps == pytest.approx(16.0, abs=0.01)


def test_old_firmware_takes_whole_amps_and_has_no_status() -> None:
    rig = Rig(lambda evse: EvseWb(evse, firmware=8))
    rig.write(16, 1000, 13)
    rig.run(0.2)
    assert rig.evse.offer_amps == pytest.approx(13.0, abs=0.01)
    assert answer(rig.book, struct.pack(">BHH", 3, 1000, 8)) == bytes((0x83, 2))


# ---- the registers of a Phoenix module ----


def test_a_phoenix_module_tells_what_it_does() -> None:
    rig = Rig(PhoenixSer)
    rig.run(0.2)
    assert rig.read(24000, 4) == (0x4131, 0, 0, 0)
    rig.charge()
    assert rig.read(24000, 4) == (0x4332, 32, 22, 13)
    assert rig.read(24025) == (0,)
    rig.evse.fault("cable_resistor", 0.0)
    rig.run(0.2)
    assert rig.read(24001) == (0xFFFF,)
    assert rig.evse.offer_amps == 0.0


def test_a_weld_is_an_error_of_a_phoenix_module() -> None:
    rig = Rig(PhoenixSer)
    rig.evse.fault("weld_relay")
    rig.run(1.0)
    assert rig.read(24025) == (1 << 11,)


def test_its_coil_decides_only_where_it_is_set_so() -> None:
    rig = Rig(PhoenixSer)
    rig.write(6, 4000, 1)
    rig.offer()
    rig.run(0.2)
    assert rig.evse.offer_amps == 0.0
    rig.write(6, 4000, 0)
    rig.run(0.2)
    assert rig.evse.offer_amps == pytest.approx(13.0, abs=0.01)


# ---- requests ----


@pytest.mark.parametrize(
    "request_, said",
    [
        (struct.pack(">BHH", 4, 1000, 1), bytes((0x84, 1))),
        (struct.pack(">BHH", 7, 1000, 1), bytes((0x87, 1))),
        (struct.pack(">BHH", 3, 1000, 0), bytes((0x83, 2))),
        (struct.pack(">BHH", 3, 999, 1), bytes((0x83, 2))),
        (struct.pack(">BHH", 6, 1000, 9000), bytes((0x86, 3))),
        (struct.pack(">BHH", 6, 1005, 1), bytes((0x86, 3))),
        (struct.pack(">BHH", 5, 1000, 0xFF00), bytes((0x85, 3))),
    ],
)
def test_what_a_module_has_not_is_an_exception(request_: bytes, said: bytes) -> None:
    assert answer(EvseWb(World().evse), request_) == said


def test_coils_are_read_as_bits() -> None:
    book = PhoenixSer(World().evse)
    book.enabled = True
    assert answer(book, struct.pack(">BHH", 1, 20000, 1)) == bytes((1, 1, 1))


def test_a_request_is_as_long_as_its_function_says() -> None:
    assert request_bytes(bytes(8)) == 8
    assert request_bytes(bytes((1, 16, 3, 232, 0, 2, 4))) == 13


# ---- on the wire, asked by pymodbus as an independent peer ----


@pytest.fixture
def world() -> RealWorld:
    return RealWorld()


@pytest.fixture
def client(world: RealWorld, tmp_path: Path) -> Iterator[ModbusSerialClient]:
    with module_at(world, tmp_path / "m", "evse_wb", unit=3):
        client = ModbusSerialClient(str(tmp_path / "m"), baudrate=9600, timeout=0.2, retries=0)
        yield client
        client.close()


def test_an_independent_client_reads_and_drives_a_module(world: RealWorld, client: ModbusSerialClient) -> None:
    assert client.read_holding_registers(1000, count=3, device_id=3).registers == [0, 0, 1]
    world.evse.plug_in()
    assert not client.write_registers(1000, [1000], device_id=3).isError()
    world.until(lambda: client.read_holding_registers(1002, count=1, device_id=3).registers == [2])
    assert world.evse.offer_amps == pytest.approx(10.0, abs=0.02)


def test_another_unit_and_a_damaged_frame_get_no_answer(world: RealWorld, client: ModbusSerialClient) -> None:
    import serial

    client.close()
    with serial.Serial(client.comm_params.host, 9600, timeout=0.15) as raw:
        for frame in (b"\x04\x03\x03\xe8\x00\x01\x05\xef", b"\x03\x03\x03\xe8\x00\x01\xff\xff", b"\x03\x03\x03"):
            raw.write(frame)
            assert raw.read(16) == b""
    assert client.connect()
    assert client.read_holding_registers(1005, count=1, device_id=3).registers == [18]
