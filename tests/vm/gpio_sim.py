"""The kernel's simulated GPIO chip (gpio-sim), with the bench of tests/hal/drivers/gpio_bench.py at its lines.

Between the drivers and the plant there is then nothing of ours but the wires: the kernel's character device, its edges
and its debouncing are the real ones. It takes root and a kernel that has the simulator: the one of tools/vm.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from hal.types import EvseFacts, InputName
from tests.contract.gpio_stands import DEVICES
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World

CONFIG = Path("/sys/kernel/config/gpio-sim")
DEVICES_DIR = Path("/sys/devices/platform")
LOOK_S = 0.002
OUTPUTS = (
    Pin.COIL,
    Pin.HEARTBEAT,
    Pin.PHASES,
    Pin.LOCK,
    Pin.UNLOCK,
    Pin.TEST,
    Pin.RED,
    Pin.GREEN,
    Pin.BLUE,
    Pin.BUZZER,
)

_numbers = itertools.count()


class RealTimeWorld(World):
    """A plant that lives by the machine's own clock, as the kernel does."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class SimChip:
    """A chip of the kernel with the bench's lines. `path`: its node; `label`: what `gpiodetect` would show."""

    def __init__(self) -> None:
        self._config = CONFIG / f"chargerd{next(_numbers)}"
        self.label = f"bench-{self._config.name}"
        bank = self._config / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text("32")
        (bank / "label").write_text(self.label)
        for pin in Pin:
            (bank / f"line{pin:d}").mkdir()
            (bank / f"line{pin:d}" / "name").write_text(pin.name)
        self.plug_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pull_out()
        for pin in Pin:
            (self._config / "bank0" / f"line{pin:d}").rmdir()
        (self._config / "bank0").rmdir()
        self._config.rmdir()

    def plug_in(self) -> None:
        """It appears, as a USB adapter does."""
        (self._config / "live").write_text("1")
        name = (self._config / "bank0" / "chip_name").read_text().strip()
        self._lines = DEVICES_DIR / (self._config / "dev_name").read_text().strip() / name
        self.path = f"/dev/{name}"

    def pull_out(self) -> None:
        """It vanishes, whoever holds its lines."""
        (self._config / "live").write_text("0")

    def is_high(self, pin: Pin) -> bool:
        """What is to be measured at the line."""
        return (self._lines / f"sim_gpio{pin:d}" / "value").read_text().strip() == "1"

    def pull(self, pin: Pin, high: bool) -> None:
        """What is outside pulls the line there."""
        (self._lines / f"sim_gpio{pin:d}" / "pull").write_text("pull-up" if high else "pull-down")

    def wiring(self, bench: Bench) -> Wiring:
        """For the drivers: the real library."""
        return Wiring(bench, lambda pin: {"chip": self.path, "line": pin.name}, {})


@contextlib.contextmanager
def wired(chip: SimChip, bench: Bench) -> Iterator[None]:
    """While inside, the bench follows the outputs and drives the inputs of the chip."""
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(LOOK_S):
            with contextlib.suppress(OSError):  # pulled out: nothing to see for a while
                for pin in Pin:
                    if pin in OUTPUTS:
                        bench.drive(pin, chip.is_high(pin))
                    else:
                        chip.pull(pin, bench.level(pin, "up"))

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        time.sleep(0.05)
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def gpio_sim_stand(role: str) -> Iterator[tuple[object, World]]:
    """The GPIO driver of a role on the kernel's chip, for the contract suites."""
    world = RealTimeWorld(EvseFacts(max_amps=32, phases=3, inputs=tuple(InputName)))
    bench = Bench(world)
    with SimChip() as chip, wired(chip, bench):
        device = DEVICES[role][1](chip.wiring(bench))
        time.sleep(0.05)  # a driver's own pull moves a simulated line until the outside has pulled again
        yield device, world
        device.close()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
