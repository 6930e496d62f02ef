import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.i2c import I2cPort
from hal.drivers.pn532 import ACK, GET_FIRMWARE_VERSION, SAM_NORMAL, encode
from hal.drivers.pn532_wires import I2C_ADDRESS, I2cWire, SpiWire, UartWire, Wire
from hal.drivers.spi import SpiPort
from hal.sim.pn532 import Pn532Chip, Pn532Server
from hal.sim.settings import PlantPeer
from hal.types import DeviceMissing, DeviceSilent
from tests.hal.drivers.i2c_bus import Bus
from tests.hal.drivers.pn532_far_ends import I2cChip, SpiChip
from tests.hal.drivers.ports import Port
from tests.hal.plants import World

DEVICE = "evse[0].reader"


@pytest.fixture(params=["uart", "i2c", "spi"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    """Each of the three, with the simulated chip at the far end, just powered up."""
    evse = World().evse
    if request.param == "uart":
        path = tmp_path / "reader"
        server = Pn532Server(evse, PlantPeer(evse=1, kind="pn532", port=str(path)), path)
        uart = UartWire(DEVICE, str(path))
        yield uart
        uart.close()
        server.close()
    elif request.param == "i2c":
        bus = Bus(tmp_path)
        bus.devices[I2C_ADDRESS] = I2cChip(Pn532Chip(evse))
        yield I2cWire(I2cPort(DEVICE, bus.path, I2C_ADDRESS, bus.kernel))
    else:
        far = SpiChip(Pn532Chip(evse), tmp_path)
        yield SpiWire(SpiPort(DEVICE, far.path, 1_000_000, far.kernel))


def heard(wire: Wire, *wanted: bytes) -> bool:
    """Whether all of it comes within a second."""
    received, until = b"", time.monotonic() + 1
    while time.monotonic() < until:
        received += wire.receive()
        if all(frame in received for frame in wanted):
            return True
    return False


def test_a_chip_that_was_woken_acknowledges_and_answers(wire: Wire) -> None:
    wire.wake()
    wire.send(encode(SAM_NORMAL))
    assert heard(wire, ACK, bytes.fromhex("0000FF02FED5151600"))
    wire.send(encode(GET_FIRMWARE_VERSION))
    assert heard(wire, ACK, bytes.fromhex("D50332010607"))


def test_silence_is_no_bytes_and_lasts_milliseconds(wire: Wire) -> None:
    wire.wake()
    begin = time.monotonic()
    assert wire.receive() == b""
    assert time.monotonic() - begin < 0.25


def test_a_closed_wire_opens_again(wire: Wire) -> None:
    wire.wake()
    wire.close()
    wire.close()
    wire.send(encode(SAM_NORMAL))
    assert heard(wire, ACK)
    wire.close()


def test_the_uart_is_woken_by_two_bytes_of_55() -> None:
    said: list[bytes] = []

    def listen(received: bytes) -> tuple[bytes, int]:
        said.append(received)
        return b"", len(received)

    with Port(listen) as port:
        wire = UartWire(DEVICE, port.path)
        wire.wake()
        wire.receive()
        wire.close()
    assert b"".join(said).startswith(b"\x55\x55\x00")


def test_a_late_answer_does_not_pass_for_that_of_the_next_command() -> None:
    with Port(lambda received: (b"", len(received))) as port:
        wire = UartWire(DEVICE, port.path)
        wire.send(b"x")
        port.say(b"late")
        time.sleep(0.05)  # on its way through the kernel
        wire.send(b"y")
        assert wire.receive() == b""
        wire.close()


def test_a_port_that_vanishes_is_missing() -> None:
    with Port(lambda received: (b"", len(received))) as port:
        wire = UartWire(DEVICE, port.path)
        wire.send(b"x")
    for call in (wire.receive, lambda: wire.send(b"y"), wire.wake):
        with pytest.raises(DeviceMissing, match=r"evse\[0\].reader: /dev/pts/\d+ cannot be used"):
            call()


def test_a_busy_chip_on_i2c_is_no_failure_to_receive_but_one_to_send(tmp_path: Path) -> None:
    bus = Bus(tmp_path)
    bus.devices[I2C_ADDRESS] = I2cChip(Pn532Chip(World().evse))
    wire = I2cWire(I2cPort(DEVICE, bus.path, I2C_ADDRESS, bus.kernel))
    wire.wake()
    bus.error = errno.EREMOTEIO
    assert wire.receive() == b""
    with pytest.raises(DeviceSilent, match=f"does not answer .{os.strerror(errno.EREMOTEIO)}"):
        wire.send(b"x")
    with pytest.raises(DeviceSilent):
        wire.wake()


def test_a_bus_that_is_gone_is_missing(tmp_path: Path) -> None:
    bus = Bus(tmp_path)
    bus.is_there = False
    wire = I2cWire(I2cPort(DEVICE, bus.path, I2C_ADDRESS, bus.kernel))
    for call in (wire.receive, wire.wake, lambda: wire.send(b"x")):
        with pytest.raises(DeviceMissing):
            call()
