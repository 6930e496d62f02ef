"""gpiozero over lgpio on the kernel's chip: what a Raspberry Pi runs, but for the Pi."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.drivers.gpio_lines import InputTable, Lines, OutputTable
from hal.types import DeviceMissing
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.vm.gpio_sim import RealTimeWorld, SimChip

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lgpio") is None, reason="lgpio has no wheel for this Python (pyproject.toml, dev)"
)

REPOSITORY = Path(__file__).resolve().parents[2]
PI_4 = "Revision\t: c03114\n"


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[SimChip]:
    """The chip, and a /proc/cpuinfo by which gpiozero takes this machine for a Pi."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(PI_4)
    subprocess.run(["mount", "--bind", str(cpuinfo), "/proc/cpuinfo"], check=True)
    with SimChip() as made:
        # gpiozero opens the first chip; this kernel gives the number of one that was pulled out in use to nobody else.
        first = Path("/dev/gpiochip0")
        if made.path != str(first):
            first.symlink_to(made.path)
        yield made
        if first.is_symlink():
            first.unlink()
    subprocess.run(["umount", "/proc/cpuinfo"], check=True)


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Bench(RealTimeWorld()), lambda pin: {"pi": int(pin)}, {})


def test_outputs_are_lines_of_the_kernel(chip: SimChip, wiring: Wiring) -> None:
    with Lines(wiring.slot("relays")) as lines:
        coil = lines.output(OutputTable(pi=int(Pin.COIL)))
        low = lines.output(OutputTable(pi=int(Pin.RED), active="low"))
        assert (chip.is_high(Pin.COIL), chip.is_high(Pin.RED)) == (False, True)
        coil.set(True)
        low.set(True)
        assert (chip.is_high(Pin.COIL), chip.is_high(Pin.RED)) == (True, False)
    assert not chip.is_high(Pin.COIL)


@pytest.mark.parametrize("pull", ["up", "down"])
def test_inputs_and_their_pulses_are_seen(chip: SimChip, wiring: Wiring, pull: str) -> None:
    with Lines(wiring.slot("inputs")) as lines:
        stop = lines.input(wiring.input(Pin.EMERGENCY_STOP, pull=pull), pulses=True)
        assert stop.is_active() is (pull == "up")
        chip.pull(Pin.EMERGENCY_STOP, False)
        time.sleep(0.1)  # this kernel's interrupts come every 10 ms, and lgpio tells of them from its own thread
        assert stop.is_active() is False
        for high in (True, False):
            chip.pull(Pin.EMERGENCY_STOP, high)
            time.sleep(0.1)
        assert [stop.is_active(), stop.is_active()] == [True, False]


def test_a_line_that_somebody_else_holds_is_told_and_is_had_when_it_is_free(chip: SimChip, wiring: Wiring) -> None:
    with Lines(wiring.slot("relays")) as lines:
        held = lines.output(OutputTable(chip=chip.path, line="COIL"))
        with pytest.raises(DeviceMissing, match=r"GPIO2 cannot be used .*busy"):
            lines.output(OutputTable(pi=int(Pin.COIL)))
        held.close()
        lines.output(OutputTable(pi=int(Pin.COIL))).close()
        lines.output(OutputTable(chip=chip.path, line="COIL"))


def test_two_devices_on_the_same_pin_are_told(chip: SimChip, wiring: Wiring) -> None:
    with Lines(wiring.slot("relays")) as lines:
        lines.input(InputTable(pi=int(Pin.BUTTON)))
        with pytest.raises(DeviceMissing, match="GPIO19 cannot be used"):
            lines.output(OutputTable(pi=int(Pin.BUTTON)))


def test_it_works_where_nothing_may_be_written_to_the_working_directory(chip: SimChip) -> None:
    """As a service has it: lgpio would put a named pipe there."""
    code = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World
from hal.drivers.gpio_lines import Lines
wiring = Wiring(Bench(World()), lambda pin: {{"pi": int(pin)}}, {{}})
with Lines(wiring.slot("inputs")) as lines:
    print(lines.input(wiring.input(Pin.BUTTON, pull="up"), pulses=True).is_active())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd="/proc", capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("True\n", "")
