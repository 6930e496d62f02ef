import pytest

from hal.drivers.gpio_lines import InputTable
from hal.drivers.inputs_gpio import GpioInputs, Settings
from hal.types import BoardError, DeviceMissing, EvseFacts, InputName
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import INPUTS, Bench, Pin, Wiring
from tests.hal.plants import World

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


def open_inputs(wiring: Wiring, *names: InputName) -> GpioInputs:
    lines = {name.value: wiring.input(Pin[name.name], pull="up") for name in names or InputName}
    return GpioInputs(Settings(**lines), wiring.slot("inputs"))


@pytest.mark.parametrize("name", list(InputName))
def test_each_line_tells_of_its_own(wiring: Wiring, name: InputName) -> None:
    inputs = open_inputs(wiring)
    assert inputs.read().asserted == ()
    wiring.bench.world.evse.fault(INPUTS[Pin[name.name]])
    assert inputs.read().asserted == (name,)


def test_they_are_told_in_the_order_of_their_names(wiring: Wiring) -> None:
    inputs = open_inputs(wiring, *reversed(InputName))
    for fault in INPUTS.values():
        wiring.bench.world.evse.fault(fault)
    assert inputs.read().asserted == tuple(InputName)


def test_a_broken_wire_of_the_emergency_stop_reads_as_pressed(wiring: Wiring) -> None:
    inputs = open_inputs(wiring, InputName.EMERGENCY_STOP)
    wiring.bench.cut.add(Pin.EMERGENCY_STOP)
    assert inputs.read().asserted == (InputName.EMERGENCY_STOP,)


@pytest.mark.parametrize("name", [InputName.EMERGENCY_STOP, InputName.BUTTON])
def test_what_is_pressed_for_less_than_a_tick_is_seen(name: InputName) -> None:
    kernel = FakeKernel(Bench(World()))
    inputs = open_inputs(gpiod_wiring(kernel.bench, kernel))
    kernel.pulsed.add(Pin[name.name])
    assert inputs.read().asserted == (name,)
    assert inputs.read().asserted == ()


def test_one_line_that_is_gone_is_no_reading_at_all() -> None:
    kernel = FakeKernel(Bench(World()))
    inputs = open_inputs(gpiod_wiring(kernel.bench, kernel))
    kernel.gone = True
    with pytest.raises(DeviceMissing, match=r"evse\[0\].inputs"):
        inputs.read()
    kernel.gone = False
    assert inputs.read().asserted == ()
    inputs.close()
    assert not kernel.held


def test_the_lines_that_are_fitted_become_facts() -> None:
    settings = Settings(button=InputTable(pi=19), enclosure=InputTable(pi=15))
    assert settings.amend(FACTS).inputs == (InputName.ENCLOSURE, InputName.BUTTON)


@pytest.mark.parametrize("name", ["emergency_stop", "cable_cut"])
@pytest.mark.parametrize(
    "table", [InputTable(pi=1), InputTable(pi=1, pull="up", active="low"), InputTable(pi=1, pull="down")]
)
def test_a_safety_line_whose_broken_wire_looks_safe_is_refused(name: str, table: InputTable) -> None:
    with pytest.raises(BoardError, match=f"^{name}: a broken wire would not be noticed; wire a normally"):
        Settings(**{name: table}).check(FACTS)


@pytest.mark.parametrize("table", [InputTable(pi=1, pull="up"), InputTable(pi=1, pull="down", active="low")])
def test_a_safety_line_whose_broken_wire_is_noticed_is_accepted(table: InputTable) -> None:
    Settings(emergency_stop=table, cable_cut=InputTable(pi=2, pull="up")).check(FACTS)


def test_a_table_without_lines_is_refused() -> None:
    with pytest.raises(BoardError, match="no line at all; give at least one of: emergency_stop, enclosure, "):
        Settings().check(FACTS)
