import pytest

from hal.drivers.phase_switch_gpio import GpioPhaseSwitch, Settings
from hal.sim.plant import PHASES_S
from hal.types import DeviceMissing, HalError
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


def open_switch(wiring: Wiring, feedback: bool = True) -> GpioPhaseSwitch:
    contact = wiring.feedback(Pin.PHASES_FEEDBACK) if feedback else None
    return GpioPhaseSwitch(Settings(coil=wiring.output(Pin.PHASES), feedback=contact), wiring.slot("phase_switch"))


def test_it_connects_one_phase_until_told_and_again_when_closed(wiring: Wiring) -> None:
    world = wiring.bench.world
    switch = open_switch(wiring)
    assert switch.read().phases == 1
    switch.set(3)
    assert switch.read().phases == 1  # on its way
    world.wait(PHASES_S)
    assert switch.read().phases == 3
    switch.set(1)
    world.wait(PHASES_S)
    assert switch.read().phases == 1
    switch.set(3)
    world.wait(PHASES_S)
    switch.close()
    world.wait(PHASES_S)
    world.evse.catch_up()
    assert world.evse.phases == 1


def test_a_contactor_that_does_not_move_is_seen(wiring: Wiring) -> None:
    switch = open_switch(wiring)
    wiring.bench.world.evse.fault("phases_stuck")
    switch.set(3)
    wiring.bench.world.wait(10 * PHASES_S)
    assert switch.read().phases == 1


def test_without_feedback_nothing_is_claimed(wiring: Wiring) -> None:
    switch = open_switch(wiring, feedback=False)
    switch.set(3)
    assert switch.read().phases is None


@pytest.mark.parametrize("phases", [0, 2, 4])
def test_another_number_of_phases_moves_nothing(wiring: Wiring, phases: int) -> None:
    switch = open_switch(wiring)
    with pytest.raises(HalError, match=f"refused to connect {phases} phases"):
        switch.set(phases)
    assert Pin.PHASES not in wiring.bench.high


def test_a_chip_that_vanishes_is_told() -> None:
    kernel = FakeKernel(Bench(World()))
    switch = open_switch(gpiod_wiring(kernel.bench, kernel))
    kernel.gone = True
    with pytest.raises(DeviceMissing, match=r"evse\[0\].phase_switch: line PHASES of .* is gone"):
        switch.set(3)
