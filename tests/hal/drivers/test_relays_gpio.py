from collections.abc import Iterator
from typing import Any

import pytest

from hal.drivers.gpio_lines import FeedbackTable, OutputTable
from hal.drivers.relays_gpio import LONGEST_HOLD_S, GpioRelays, Settings
from hal.sim.plant import CONTACTOR_CLOSE_S, CONTACTOR_OPEN_S
from hal.types import BoardError, DeviceMissing, EvseFacts, HalError, RelayDeadman
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import WATCHDOG_S, Bench, Pin, Wiring
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3, relay_deadman=RelayDeadman.HARDWARE)
MINIMAL = Settings(coil=OutputTable(pi=2))
WITH_FEEDBACK = Settings(coil=OutputTable(pi=2), feedback=FeedbackTable(pi=4))


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


@pytest.fixture
def relays(wiring: Wiring) -> Iterator[GpioRelays]:
    driver = open_relays(wiring)
    yield driver
    driver.close()


def open_relays(wiring: Wiring, **keys: Any) -> GpioRelays:
    tables = {
        "coil": wiring.output(Pin.COIL),
        "heartbeat": wiring.output(Pin.HEARTBEAT),
        "feedback": wiring.feedback(Pin.MIRROR, contact="normally_closed"),
    }
    return GpioRelays(Settings(**{**tables, **keys}), wiring.slot("relays"))


def test_it_closes_and_opens_the_contactor(wiring: Wiring, relays: GpioRelays) -> None:
    relays.hold(True, 1.0)
    wiring.bench.world.wait(CONTACTOR_CLOSE_S)
    assert relays.read().closed is True
    relays.hold(False, 0.0)
    wiring.bench.world.wait(CONTACTOR_OPEN_S)
    assert relays.read().closed is False


def test_the_heartbeat_changes_with_every_renewal_and_with_nothing_else(wiring: Wiring, relays: GpioRelays) -> None:
    for beats in range(1, 6):
        relays.hold(True, 1.0)
        assert wiring.bench.edges[Pin.HEARTBEAT] == beats
    relays.read()
    relays.hold(False, 0.0)
    relays.hold(True, 0.0)
    with pytest.raises(HalError):
        relays.hold(True, -1.0)
    assert wiring.bench.edges[Pin.HEARTBEAT] == 5


def test_the_watchdog_circuit_opens_when_the_heartbeat_stops_and_nobody_calls(
    wiring: Wiring, relays: GpioRelays
) -> None:
    world = wiring.bench.world
    relays.hold(True, 5.0)
    world.wait(WATCHDOG_S + CONTACTOR_OPEN_S)
    assert Pin.COIL in wiring.bench.high  # a software that hangs does not let go of the line
    assert world.closed() is False


def test_without_a_watchdog_circuit_only_the_next_call_opens_which_is_no_dead_man() -> None:
    wiring = gpiod_wiring(Bench(World(), watchdog=False))
    relays = open_relays(wiring, heartbeat=None)
    world = wiring.bench.world
    relays.hold(True, 0.5)
    world.wait(3600.0)
    assert world.closed() is True
    relays.read()
    world.wait(CONTACTOR_OPEN_S)
    assert relays.read().closed is False


def test_a_lease_that_lapsed_is_closed_anew_by_the_next_one(wiring: Wiring, relays: GpioRelays) -> None:
    relays.hold(True, 0.1)
    wiring.bench.world.wait(1.0)
    relays.read()
    relays.hold(True, 1.0)
    wiring.bench.world.wait(CONTACTOR_CLOSE_S)
    assert relays.read().closed is True


def test_opening_and_closing_the_driver_open_the_contactor(wiring: Wiring) -> None:
    world = wiring.bench.world
    relays = open_relays(wiring)
    relays.hold(True, 5.0)
    relays.close()
    world.wait(CONTACTOR_OPEN_S)
    assert world.closed() is False
    assert Pin.COIL not in wiring.bench.high
    open_relays(wiring).close()


@pytest.mark.parametrize("for_s", [-0.1, LONGEST_HOLD_S + 0.1, float("nan"), float("inf")])
def test_a_lease_without_end_is_refused(wiring: Wiring, relays: GpioRelays, for_s: float) -> None:
    with pytest.raises(HalError, match="refused to hold"):
        relays.hold(True, for_s)
    assert Pin.COIL not in wiring.bench.high


def test_a_broken_wire_of_the_mirror_contact_reads_as_a_contactor_that_is_closed(wiring: Wiring) -> None:
    relays = open_relays(wiring, feedback=wiring.feedback(Pin.MIRROR, contact="normally_closed", pull="down"))
    wiring.bench.cut.add(Pin.MIRROR)
    assert relays.read().closed is True


def test_a_board_without_feedback_contact_says_so(wiring: Wiring) -> None:
    assert open_relays(wiring, feedback=None).read().closed is None


def test_a_chip_that_vanishes_while_closed_is_told_and_the_board_opens() -> None:
    kernel = FakeKernel(Bench(World()))
    relays = open_relays(gpiod_wiring(kernel.bench, kernel))
    world = kernel.bench.world
    relays.hold(True, 1.0)
    world.wait(CONTACTOR_CLOSE_S)
    kernel.gone = True
    for call in (lambda: relays.hold(True, 1.0), relays.read, lambda: relays.hold(False, 0.0)):
        with pytest.raises(DeviceMissing, match=r"evse\[0\].relays"):
            call()
    world.wait(WATCHDOG_S + CONTACTOR_OPEN_S)
    assert world.closed() is False
    kernel.gone = False
    relays.hold(True, 1.0)
    world.wait(CONTACTOR_CLOSE_S)
    assert relays.read().closed is True


@pytest.mark.parametrize("deadman", [RelayDeadman.NONE, RelayDeadman.MCU, RelayDeadman.SIMULATED])
def test_a_board_without_a_watchdog_circuit_is_refused(deadman: RelayDeadman) -> None:
    facts = EvseFacts(max_amps=32, phases=3, relay_deadman=deadman)
    with pytest.raises(BoardError, match=r'^coil: a GPIO line stays as it is .* say relay_deadman = "hardware"'):
        WITH_FEEDBACK.check(facts)


def test_the_feedback_line_and_the_fact_that_there_is_one_must_agree() -> None:
    WITH_FEEDBACK.check(FACTS)
    with pytest.raises(BoardError, match=r"^feedback: no line for the feedback contact; give the line, or set"):
        MINIMAL.check(FACTS)
    bare = EvseFacts(max_amps=32, phases=3, relay_deadman=RelayDeadman.HARDWARE, has_feedback=False)
    MINIMAL.check(bare)
    with pytest.raises(BoardError, match=r"^feedback: the EVSE says feedback = false"):
        WITH_FEEDBACK.check(bare)
