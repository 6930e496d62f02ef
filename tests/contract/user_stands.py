"""What people face: card readers and displays, each with its far end instead of hardware."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hal.drivers import display_hd44780, display_ssd1306, reader_hid, reader_pn532, reader_wiegand
from hal.interfaces import Display, TokenReader
from hal.sim.pn532 import Pn532Server
from hal.sim.settings import PlantPeer
from tests.hal.drivers.i2c_bus import Bus
from tests.hal.drivers.input_device import InputDevice
from tests.hal.drivers.lcd import Lcd
from tests.hal.drivers.oled import Oled
from tests.hal.drivers.wiegand_wires import Wires
from tests.hal.plants import World


@contextlib.contextmanager
def pn532(world: World) -> Iterator[TokenReader]:
    with tempfile.TemporaryDirectory() as run:
        path = Path(run) / "reader"
        server = Pn532Server(world.evse, PlantPeer(evse=1, kind="pn532", port=str(path)), path)
        driver = reader_pn532.Pn532Reader(reader_pn532.Settings(port=str(path)), world.slot("reader"))
        yield driver
        driver.close()
        server.close()


@contextlib.contextmanager
def hid(world: World) -> Iterator[TokenReader]:
    with tempfile.TemporaryDirectory() as run:
        keyboard = InputDevice(Path(run) / "event0")
        settings = reader_hid.Settings(path=str(keyboard.path), format="decimal")
        driver = reader_hid.HidReader(settings, world.slot("reader"), kernel=keyboard.kernel)
        yield driver
        driver.close()
        keyboard.pull_out()


@contextlib.contextmanager
def wiegand(world: World) -> Iterator[TokenReader]:
    with tempfile.TemporaryDirectory() as run:
        wires = Wires(Path(run) / "gpiochip0")
        settings = reader_wiegand.Settings(chip=str(wires.chip), d0=5, d1=6, bits=26)
        driver = reader_wiegand.WiegandReader(settings, world.slot("reader"), wires.open)
        yield driver
        driver.close()


@contextlib.contextmanager
def hd44780(world: World) -> Iterator[Display]:
    with tempfile.TemporaryDirectory() as run:
        bus = Bus(Path(run))
        bus.devices[0x27] = Lcd()
        settings = display_hd44780.Settings(i2c=bus.path)
        driver = display_hd44780.Hd44780Display(settings, world.slot("display"), bus.kernel)
        yield driver
        driver.close()


@contextlib.contextmanager
def ssd1306(world: World) -> Iterator[Display]:
    with tempfile.TemporaryDirectory() as run:
        bus = Bus(Path(run))
        bus.devices[0x3C] = Oled()
        settings = display_ssd1306.Settings(i2c=bus.path)
        driver = display_ssd1306.Ssd1306Display(settings, world.slot("display"), bus.kernel)
        yield driver
        driver.close()
