import pytest
from gpiozero.pins.mock import MockFactory

from hal.drivers.gpio_lines import InputTable, OutputTable
from hal.drivers.gpiozero_lines import ZeroInput, ZeroOutput, ZeroPins, zero_pins
from hal.slot import DeviceSlot
from hal.types import DeviceMissing
from tests.hal.drivers import gpio_bench
from tests.hal.drivers.gpio_bench import Bench, Pin
from tests.hal.plants import World


@pytest.fixture
def bench() -> Bench:
    return Bench(World())


@pytest.fixture
def pins(bench: Bench) -> ZeroPins:
    return gpio_bench.zero_pins(bench)


def output(pins: ZeroPins) -> ZeroOutput:
    return ZeroOutput(pins, OutputTable(pi=int(Pin.RED)), "evse[0].relays")


def button(pins: ZeroPins, pulses: bool = True, **keys: str) -> ZeroInput:
    return ZeroInput(pins, InputTable(pi=int(Pin.BUTTON), **keys), "evse[0].inputs", pulses)  # type: ignore[arg-type]


@pytest.mark.parametrize("pull", ["up", "down", "none"])
def test_a_pulse_between_two_looks_is_seen_once_whatever_pulls_the_line(pins: ZeroPins, pull: str) -> None:
    line = button(pins, pull=pull)
    line.is_active()
    pins.factory(None).pin(f"GPIO{Pin.BUTTON:d}").pulse()
    assert [line.is_active(), line.is_active()] == [True, False]


def test_a_line_not_watched_for_pulses_tells_its_level_alone(pins: ZeroPins) -> None:
    line = button(pins, pulses=False)
    pins.factory(None).pin(f"GPIO{Pin.BUTTON:d}").pulse()
    assert line.is_active() is False


def test_a_pin_that_is_in_use_is_told(pins: ZeroPins) -> None:
    first = output(pins)
    with pytest.raises(DeviceMissing, match=r"evse\[0\].relays: GPIO22 cannot be used \(pin GPIO22 is already in use"):
        output(pins)
    first.close()
    output(pins).close()


def test_a_pin_that_fails_is_missing_and_made_anew_inactive_first(bench: Bench, pins: ZeroPins) -> None:
    line = output(pins)
    line.set(True)
    pin = pins.factory(None).pin(f"GPIO{Pin.RED:d}")
    pin.function = "input"  # somebody took it away: gpiozero refuses to write it
    with pytest.raises(DeviceMissing, match="GPIO22 cannot be used"):
        line.set(True)
    bench.high.discard(Pin.RED)
    line.set(True)
    assert Pin.RED in bench.high


def test_a_closed_output_is_inactive_and_may_be_closed_again(bench: Bench, pins: ZeroPins) -> None:
    line = output(pins)
    line.set(True)
    line.close()
    assert Pin.RED not in bench.high
    line.close()


def test_what_the_library_below_raises_is_missing_too(pins: ZeroPins) -> None:
    class Below(Exception):
        pass

    def no_factory() -> None:
        raise Below("can not open gpiochip")

    with pytest.raises(DeviceMissing, match="can not open gpiochip"):
        ZeroOutput(ZeroPins(no_factory, Below), OutputTable(pi=3), "evse[0].relays")


def test_the_last_line_that_closes_closes_the_chip_and_the_next_one_opens_it(bench: Bench) -> None:
    opened: list[bool] = []

    class Factory(MockFactory):  # type: ignore[misc]  # gpiozero has no types
        def __init__(self) -> None:
            super().__init__(pin_class=gpio_bench.WiredPin)
            self.bench = bench
            opened.append(True)

        def close(self) -> None:
            opened[-1] = False
            super().close()

    pins = ZeroPins(Factory)
    first, second = output(pins), button(pins)
    first.close()
    assert opened == [True]
    second.close()
    assert opened == [False]
    output(pins).close()
    assert opened == [False, False]


def test_a_machine_whose_pins_gpiozero_cannot_reach_is_told_what_to_do() -> None:
    """With lgpio it is no Pi, without it there is no lgpio."""
    world = World()
    slot = DeviceSlot("evse[0].relays", world.evse.facts, world.monotonic)
    with pytest.raises(DeviceMissing, match=r"^evse\[0\].relays: .* cannot (be used|reach .*) .*name the line by"):
        output(zero_pins(slot))
