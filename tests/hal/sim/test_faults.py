import pytest

from hal.sim.faults import FAULTS, Fault, PlantRefusal, fault_named, value_for


def test_every_fault_has_a_line_of_text() -> None:
    assert set(FAULTS) == set(Fault)
    assert all(verb.text and "\n" not in verb.text for verb in FAULTS.values())


def test_every_value_has_a_default_within_its_bounds() -> None:
    for verb in FAULTS.values():
        assert verb.value is None or verb.low <= verb.default <= verb.high


def test_an_unknown_fault_is_refused_with_the_choices() -> None:
    with pytest.raises(PlantRefusal, match=r"unknown fault 'weld'; known faults: weld_relay, .*, lock_jam"):
        fault_named("weld")


def test_a_known_fault_is_found_by_its_name() -> None:
    assert [fault_named(str(name)) for name in Fault] == list(Fault)


def test_a_value_is_taken_within_its_bounds() -> None:
    assert value_for(Fault.CABLE_RESISTOR, None) == 10.0
    assert value_for(Fault.CABLE_RESISTOR, 680.0) == 680.0
    assert [value_for(Fault.GRID_LOSS, phase) for phase in (0, 3)] == [0, 3]


@pytest.mark.parametrize("fault, value", [(Fault.GRID_LOSS, 4), (Fault.GLITCH, 0), (Fault.GLITCH, float("nan"))])
def test_a_value_outside_its_bounds_is_refused(fault: Fault, value: float) -> None:
    with pytest.raises(PlantRefusal, match="must lie from"):
        value_for(fault, value)


def test_a_fault_without_value_refuses_one() -> None:
    assert value_for(Fault.WELD_RELAY, None) == 0.0
    with pytest.raises(PlantRefusal, match="weld_relay takes no value, 3 was given"):
        value_for(Fault.WELD_RELAY, 3)


def test_a_fault_with_a_value_tells_its_bounds_and_default() -> None:
    assert FAULTS[Fault.GLITCH].told.endswith("(ms from 1 to 60000, 100 unless given)")
    assert FAULTS[Fault.LOCK_JAM].told == FAULTS[Fault.LOCK_JAM].text
