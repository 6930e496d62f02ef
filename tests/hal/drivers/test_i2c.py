import errno
from pathlib import Path

import pytest

from hal.drivers.i2c import I2C_RETRIES, I2C_SLAVE, I2C_TIMEOUT, I2cPort, i2c_claim
from hal.types import DeviceMissing, DeviceSilent
from tests.hal.drivers.i2c_bus import Bus


class Echo:
    def __init__(self) -> None:
        self.said = b""

    def write(self, message: bytes) -> None:
        self.said = message

    def read(self, count: int) -> bytes:
        return self.said.ljust(count, b"\0")[:count]


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    bus = Bus(tmp_path)
    bus.devices[0x27] = Echo()
    return bus


def port(bus: Bus, address: int = 0x27) -> I2cPort:
    return I2cPort("evse[0].display", bus.path, address, bus.kernel)


def test_messages_go_to_the_address_and_come_from_it(bus: Bus) -> None:
    device = port(bus)
    device.write(b"abc")
    assert device.read(2) == b"ab"
    assert bus.controls == [(I2C_SLAVE, 0x27), (I2C_TIMEOUT, 5), (I2C_RETRIES, 0)]  # 5 x 10 ms: a hung bus holds nobody
    device.close()
    device.close()
    assert bus.files == 0


@pytest.mark.parametrize("error", [errno.EREMOTEIO, errno.ENXIO, errno.ETIMEDOUT, errno.EIO])
def test_a_device_that_does_not_acknowledge_is_silent_with_its_address(bus: Bus, error: int) -> None:
    bus.error = error
    for call in (lambda: port(bus).write(b"x"), lambda: port(bus).read(1)):
        with pytest.raises(DeviceSilent, match=r"evse\[0\].display: address 0x27 on .*/i2c-1 does not answer \("):
            call()


def test_another_address_is_another_device(bus: Bus) -> None:
    with pytest.raises(DeviceSilent, match="address 0x3F on"):
        port(bus, 0x3F).write(b"x")


def test_a_bus_that_is_not_there_is_missing_with_a_remedy(bus: Bus) -> None:
    bus.is_there = False
    with pytest.raises(DeviceMissing, match=r"i2c-1 cannot be used \(No such file or directory\); enable the bus"):
        port(bus).write(b"x")


def test_a_bus_that_goes_and_comes_back_works_again(bus: Bus) -> None:
    device = port(bus)
    device.write(b"x")
    bus.is_there = False
    with pytest.raises(DeviceMissing, match="is gone"):
        device.write(b"y")
    assert bus.files == 0
    bus.is_there = True
    device.write(b"z")
    assert device.read(1) == b"z"


def test_a_claim_names_address_and_bus() -> None:
    assert i2c_claim("/dev/i2c-1", 0x3C) == "address 0x3C on /dev/i2c-1"


def test_the_real_kernel_says_why_a_file_is_no_bus(tmp_path: Path) -> None:
    path = tmp_path / "i2c-1"
    path.touch()
    with pytest.raises(DeviceMissing, match=r"cannot be used \(Inappropriate ioctl for device\)"):
        I2cPort("evse[0].display", str(path), 0x27).write(b"x")
