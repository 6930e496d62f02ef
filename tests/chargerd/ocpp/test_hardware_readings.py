import pytest

from chargerd.evse.types import ActiveFault, EvseStatus
from chargerd.ocpp.hardware_readings import FRESH_S, Spot, always, faulty, live, maker_of, metered
from chargerd.ocpp.variables import Tier, decimal, integer
from hal.types import EvseFacts, MeterSample, PartFacts

FACTS = EvseFacts(max_amps=32.0, phases=3)
COUNT = integer("PowerContactor", "Count", 0, tier=Tier.EVSE, doc="d")
POWER = decimal("FiscalMetering", "Power", 0.0, tier=Tier.EVSE, doc="d")


def spot(at_mono: float = 100.0, **evse: object) -> Spot:
    return Spot(facts=FACTS, evse=EvseStatus(evse_id=1, **evse), at_mono=at_mono)  # type: ignore[arg-type]


def test_what_the_control_process_says_is_the_value_and_its_silence_is_none() -> None:
    reading = live(COUNT, lambda evse: evse.contactor_cycles, always)
    assert reading.read(spot(contactor_cycles=7)) == 7
    assert reading.read(Spot(facts=FACTS)) is None


@pytest.mark.parametrize("age_s, value", [(0.0, 50.0), (FRESH_S, 50.0), (FRESH_S + 0.1, None)])
def test_an_old_sample_says_nothing_about_now(age_s: float, value: float | None) -> None:
    sample = MeterSample(100.0 - age_s, 1000.0, 50.0, (1.0,), (230.0,))
    assert metered(POWER, lambda sample: sample.power_w, always).read(spot(meter=sample)) == value


def test_a_fault_is_told_where_the_table_of_faults_says() -> None:
    reading = faulty("RCD", "Tripped", always)
    assert reading.variable.tier is Tier.EVSE
    assert "residual_dc" in reading.variable.doc
    assert reading.read(spot(faults=(ActiveFault("residual_dc", 1.0),))) is True
    assert reading.read(spot(faults=(ActiveFault("diode", 1.0),))) is False


def test_a_component_that_no_fault_names_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match=r"no fault is told as Heater\.Problem"):
        faulty("Heater", "Problem", always)


def test_the_maker_is_told_where_the_driver_knows_it() -> None:
    vendor, model = maker_of("FiscalMetering", "meter")
    named = EvseFacts(
        max_amps=32.0,
        phases=3,
        parts=(PartFacts(role="meter", vendor="Eastron", model="SDM630"),),
    )
    assert vendor.fitted(named)
    assert [reading.read(Spot(facts=named)) for reading in (vendor, model)] == ["Eastron", "SDM630"]
    assert not vendor.fitted(EvseFacts(max_amps=32.0, phases=3, parts=(PartFacts(role="meter"),)))
    assert not vendor.fitted(FACTS)
