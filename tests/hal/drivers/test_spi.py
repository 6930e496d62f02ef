from pathlib import Path

import pytest

from hal.drivers.spi import SpiPort
from hal.sim.pn532 import Pn532Chip
from hal.types import DeviceMissing
from tests.hal.drivers.pn532_far_ends import SpiChip, turned
from tests.hal.plants import World

STATUS = turned(b"\x02\x00")


@pytest.fixture
def far(tmp_path: Path) -> SpiChip:
    return SpiChip(Pn532Chip(World().evse), tmp_path)


def test_what_is_sent_and_what_comes_back_have_one_length(far: SpiChip) -> None:
    port = SpiPort("evse[0].reader", far.path, 500_000, far.kernel)
    assert port.exchange(STATUS) == b"\xff\x00"
    assert port.exchange(STATUS * 3)[:2] == b"\xff\x00"
    assert (far.modes, far.speeds_hz, far.files) == ([b"\0"], {500_000}, 1)
    port.close()
    port.close()
    assert far.files == 0


def test_a_bus_that_goes_and_comes_back_works_again(far: SpiChip) -> None:
    port = SpiPort("evse[0].reader", far.path, 500_000, far.kernel)
    port.exchange(STATUS)
    far.is_there = False
    for _ in range(2):
        with pytest.raises(
            DeviceMissing, match=r"evse\[0\].reader: .*spidev0.0 cannot be used \(No such .*enable the bus"
        ):
            port.exchange(STATUS)
    far.is_there = True
    assert port.exchange(STATUS) == b"\xff\x00"


def test_the_real_kernel_says_why_a_file_is_no_bus(tmp_path: Path) -> None:
    path = tmp_path / "spidev0.0"
    path.touch()
    with pytest.raises(DeviceMissing, match=r"cannot be used \(Inappropriate ioctl for device\)"):
        SpiPort("evse[0].reader", str(path), 500_000).exchange(b"\x02\x00")
