import struct

import pytest

from hal.drivers.modbus_line import ModbusLine
from hal.drivers.modbus_unit import LONGEST_WRITE, ModbusUnit
from hal.sim.meter_server import crc
from hal.types import DeviceSilent
from tests.hal.drivers.ports import Port, frames_of


class Memory:
    """A unit 9 with registers that can be read and written."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.requests: list[bytes] = []

    def answer(self, request: bytes) -> bytes:
        self.requests.append(request)
        unit, function, address, count = struct.unpack(">BBHH", request[:6])
        if unit != 9:
            return b""
        if function in {5, 6}:
            self.words[address] = count
            return request
        if function == 16:
            self.words |= dict(enumerate(struct.unpack(f">{count}H", request[7:-2]), start=address))
            return request[:6] + crc(request[:6])
        words = [self.words.get(each, 0) for each in range(address, address + count)]
        body = struct.pack(f">BBB{count}H", unit, function, 2 * count, *words)
        return body + crc(body)


def with_unit(memory: Memory, number: int = 9) -> tuple[Port, ModbusUnit]:
    port = Port(frames_of(memory.answer))
    line = ModbusLine.serial(port.path, 115200, "N", 1, 0.2)
    line.join()
    return port, ModbusUnit(line, "evse[0].meter", number, 0)


def test_text_is_written_padded_and_read_back_byte_for_byte() -> None:
    memory = Memory()
    port, unit = with_unit(memory)
    with port:
        unit.write_text(0x7000, b"hello", 4)
        assert unit.read(3, 0x7000, 4) == [0x6865, 0x6C6C, 0x6F00, 0]
        unit.write_text(0x7000, b"longer than that", 4)
        assert unit.read_text(3, 0x7000, 4) == b"longer t"
        unit.leave()


def test_one_register_and_one_coil_have_functions_of_their_own() -> None:
    memory = Memory()
    port, unit = with_unit(memory)
    with port:
        unit.write_one(7, 0xBEEF)
        unit.write_coil(8, True)
        assert [request[1] for request in memory.requests] == [6, 5]
        assert memory.words == {7: 0xBEEF, 8: 0xFF00}
        unit.leave()


def test_what_is_too_long_for_one_request_takes_several() -> None:
    memory = Memory()
    port, unit = with_unit(memory)
    with port:
        text = bytes(range(256)) * 2
        unit.write_text(100, text, 256)
        assert unit.read_text(3, 100, 256) == text
        counts = [struct.unpack(">H", request[4:6])[0] for request in memory.requests]
        assert counts == [LONGEST_WRITE, LONGEST_WRITE, 10] * 2
        unit.leave()


def test_nothing_is_repeated_and_the_device_is_named() -> None:
    memory = Memory()
    port, unit = with_unit(memory, number=4)
    with port:
        with pytest.raises(DeviceSilent, match=r"evse\[0\].meter: unit 4"):
            unit.write(0x7040, [0x42])
        assert len(memory.requests) == 1
        assert (unit.quality().requests, unit.quality().timeouts) == (1, 1)
        unit.leave()
