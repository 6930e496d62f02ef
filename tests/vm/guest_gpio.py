"""What only a kernel can show of the GPIO drivers: other processes, kills, chips that go, real edges, real LEDs.

Run inside the virtual machine by `make vm-test`; the name keeps it out of `make test`, whose kernel has no such chip.
"""

import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.drivers.gpio_lines import InputTable, Lines, OutputTable
from hal.drivers.indicator_leds import LedIndicator, Settings
from hal.drivers.lamps import LampTable
from hal.drivers.relays_gpio import GpioRelays
from hal.types import DeviceMissing, Indication
from tests.contract import gpio_stands
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.vm.gpio_sim import RealTimeWorld, SimChip, until, wired

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def chip() -> Iterator[SimChip]:
    with SimChip() as made:
        yield made


@pytest.fixture
def bench(chip: SimChip) -> Iterator[Bench]:
    made = Bench(RealTimeWorld())
    with wired(chip, made):
        yield made


@pytest.fixture
def wiring(chip: SimChip) -> Wiring:
    """Lines with nothing but the test at their ends."""
    return chip.wiring(Bench(RealTimeWorld()))


@contextlib.contextmanager
def other_process(chip: SimChip, *lines: str, user: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process of its own with the relays of the chip as `relays`; what it prints is a sign of life."""
    begin = f"""
import os
from hal.drivers import gpiod_lines
from tests.contract.gpio_stands import relays as open_relays
from tests.hal.drivers.gpio_bench import Bench, Wiring
from tests.hal.plants import World
os.setuid({user})
wiring = Wiring(Bench(World()), lambda pin: {{"chip": {chip.path!r}, "line": pin.name}}, {{}})
relays = open_relays(wiring)
"""
    code = begin + "\n".join(lines)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


HOLD = ("import time", "while True:", "    relays.hold(True, 1.0)", "    time.sleep(0.02)")


def test_the_coil_and_the_heartbeat_are_seen_at_the_lines(chip: SimChip, wiring: Wiring) -> None:
    relays = gpio_stands.relays(wiring)
    beats = []
    for _ in range(6):
        relays.hold(True, 1.0)
        beats.append(chip.is_high(Pin.HEARTBEAT))
    assert chip.is_high(Pin.COIL)
    assert beats == [True, False] * 3
    relays.hold(False, 0.0)
    assert not chip.is_high(Pin.COIL)
    relays.close()


def test_closing_the_driver_leaves_the_line_safe(chip: SimChip, wiring: Wiring) -> None:
    relays = gpio_stands.relays(wiring)
    relays.hold(True, 5.0)
    assert chip.is_high(Pin.COIL)
    relays.close()
    assert not chip.is_high(Pin.COIL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_hangs_opens_the_contactor_by_the_watchdog_circuit(
    chip: SimChip, bench: Bench, how: signal.Signals
) -> None:
    with other_process(chip, *HOLD) as process:
        assert until(lambda: bench.world.closed() is True, 20.0)
        process.send_signal(how)
        assert until(lambda: bench.world.closed() is False)
        # A process that is stopped still holds its line, and only the circuit opens; one that is gone has lost it.
        assert chip.is_high(Pin.COIL) is (how is signal.SIGSTOP)


def test_after_a_kill_the_next_process_gets_the_lines(chip: SimChip, bench: Bench) -> None:
    with other_process(chip, *HOLD) as process:
        assert until(lambda: bench.world.closed() is True, 20.0)
        process.kill()
        process.wait()
    relays: GpioRelays = gpio_stands.relays(chip.wiring(bench))
    relays.hold(True, 1.0)
    assert until(lambda: relays.read().closed is True, 0.3)
    relays.close()


def test_a_line_that_another_process_holds_is_told_with_its_name(chip: SimChip, wiring: Wiring) -> None:
    with other_process(chip, "print('ready', flush=True)", "input()") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(DeviceMissing, match=r"line COIL of /dev/gpiochip\d is in use by chargerd evse\[0\].relays"):
            gpio_stands.relays(wiring)


def test_a_chip_that_may_not_be_opened_is_told_with_a_remedy(chip: SimChip) -> None:
    with other_process(chip, user=65534) as process:
        _, errors = process.communicate(timeout=30)
    assert f"DeviceMissing: evse[0].relays: may not open {chip.path}; let the user of this process open it" in errors


def test_a_chip_that_is_pulled_out_is_told_and_works_when_it_is_back(chip: SimChip) -> None:
    wiring = chip.wiring(Bench(RealTimeWorld()))
    with Lines(wiring.slot("inputs")) as lines:
        output = lines.output(OutputTable(chip=chip.label, line="RED"))
        watched = lines.input(InputTable(chip=chip.label, line="BUTTON"), pulses=True)
        output.set(True)
        chip.pull_out()
        for call in (lambda: output.set(True), watched.is_active):
            for _ in range(2):
                with pytest.raises(DeviceMissing, match=r"is gone|no GPIO chip has the label"):
                    call()
        chip.plug_in()
        output.set(True)
        assert chip.is_high(Pin.RED)
        chip.pull(Pin.BUTTON, True)
        assert watched.is_active() is True


def test_a_line_that_is_not_there_is_told(chip: SimChip, wiring: Wiring) -> None:
    for line in ("RDE", 32):
        with Lines(wiring.slot("inputs")) as lines, pytest.raises(DeviceMissing, match=f"there is no line {line} of"):
            lines.output(OutputTable(chip=chip.path, line=line))


@pytest.mark.parametrize("active", ["high", "low"])
def test_a_pulse_between_two_looks_is_seen_once(chip: SimChip, wiring: Wiring, active: Any) -> None:
    at_rest = active == "low"
    chip.pull(Pin.EMERGENCY_STOP, at_rest)
    with Lines(wiring.slot("inputs")) as lines:
        line = lines.input(wiring.input(Pin.EMERGENCY_STOP, active=active), pulses=True)
        assert line.is_active() is False
        for _ in range(20):
            chip.pull(Pin.EMERGENCY_STOP, not at_rest)
            time.sleep(0.03)  # interrupts come with the clock of this kernel, every 10 ms
            chip.pull(Pin.EMERGENCY_STOP, at_rest)
            time.sleep(0.03)
        assert [line.is_active(), line.is_active()] == [True, False]


def test_the_kernel_debounces(chip: SimChip, wiring: Wiring) -> None:
    chip.pull(Pin.ENCLOSURE, False)
    with Lines(wiring.slot("inputs")) as lines:
        line = lines.input(wiring.input(Pin.ENCLOSURE, debounce_ms=200))
        chip.pull(Pin.ENCLOSURE, True)
        time.sleep(0.05)
        assert line.is_active() is False
        chip.pull(Pin.ENCLOSURE, False)
        time.sleep(0.4)
        assert line.is_active() is False
        chip.pull(Pin.ENCLOSURE, True)
        assert until(line.is_active, 1.0)


def test_a_broken_wire_reads_as_the_pull_of_the_chip(chip: SimChip, wiring: Wiring) -> None:
    chip.pull(Pin.EMERGENCY_STOP, False)
    with Lines(wiring.slot("inputs")) as lines:
        assert lines.input(wiring.input(Pin.EMERGENCY_STOP, pull="up")).is_active() is True


def test_an_led_of_the_kernel_shows_what_is_told() -> None:
    """/dev/uleds makes an LED whose brightness its owner reads."""
    with Path("/dev/uleds").open("r+b", buffering=0) as owner:
        owner.write(struct.pack("<64si", b"bench:blue", 100))
        wiring = Wiring(Bench(RealTimeWorld()), lambda pin: {"pi": int(pin)}, {})
        assert until(Path("/sys/class/leds/bench:blue/brightness").exists)
        indicator = LedIndicator(Settings(blue=LampTable(led="bench:blue"), percent=40), wiring.slot("indicator"))
        indicator.show(Indication.AVAILABLE)
        assert brightness_of(owner.fileno()) == 40
        indicator.show(Indication.OFF)
        assert brightness_of(owner.fileno()) == 0
        indicator.show(Indication.AVAILABLE)
        indicator.close()
        assert brightness_of(owner.fileno()) == 0
    with pytest.raises(DeviceMissing, match="bench:blue cannot be used"):
        LedIndicator(Settings(blue=LampTable(led="bench:blue")), wiring.slot("indicator"))


def brightness_of(owner: int) -> int:
    """The last brightness that was set, which arrives within a clock tick of this kernel."""
    time.sleep(0.05)
    return int(struct.unpack("<i", os.read(owner, 4))[0])
