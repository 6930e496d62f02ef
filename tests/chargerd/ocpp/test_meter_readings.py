"""Which readings there are."""

from typing import Any

import msgspec
import pytest

from chargerd.evse.types import EvseStatus
from chargerd.ocpp.messages.enums import Measurand, Phase, ReadingContext
from chargerd.ocpp.messages.types import SampledValue
from chargerd.ocpp.meter_readings import SUPPORTED, sampled_values
from hal.types import EvseFacts, MeterSample

FACTS = EvseFacts(max_amps=32.0, phases=3)
METER = MeterSample(
    at_mono=0.0,
    energy_wh=12_345.6789,
    power_w=11_000.0,
    amps=(16.0, 15.5, 15.25),
    volts=(230.0, 231.0, 232.0),
    frequency_hz=50.01,
)
EVSE = EvseStatus(evse_id=1, meter=METER, offered_amps=16.0)


def read(
    *measurands: Measurand, evse: EvseStatus = EVSE, meter_age_s: float | None = 0.0, status_age_s: float = 0.0
) -> tuple[SampledValue, ...]:
    return sampled_values(
        measurands,
        ReadingContext.SAMPLE_PERIODIC,
        evse,
        FACTS,
        status_age_s=status_age_s,
        meter_age_s=meter_age_s,
    )


def plain(values: tuple[SampledValue, ...]) -> list[tuple[Phase | None, float, str | None]]:
    return [(it.phase, it.value, it.unit_of_measure.unit if it.unit_of_measure else None) for it in values]


@pytest.mark.parametrize(
    "measurand,expected",
    [
        (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, [(None, 12_345.679, "Wh")]),
        (Measurand.POWER_ACTIVE_IMPORT, [(None, 11_000.0, "W")]),
        (Measurand.CURRENT_IMPORT, [(Phase.L1, 16.0, "A"), (Phase.L2, 15.5, "A"), (Phase.L3, 15.25, "A")]),
        (Measurand.VOLTAGE, [(Phase.L1_N, 230.0, "V"), (Phase.L2_N, 231.0, "V"), (Phase.L3_N, 232.0, "V")]),
        (Measurand.FREQUENCY, [(None, 50.01, "Hz")]),
        (Measurand.CURRENT_OFFERED, [(None, 16.0, "A")]),
        (Measurand.POWER_OFFERED, [(None, 11_040.0, "W")]),
    ],
)
def test_J02_FR_06_each_measurand_is_reported_on_the_phases_the_meter_has(measurand: Measurand, expected: Any) -> None:
    values = read(measurand)
    assert plain(values) == expected
    assert {value.measurand for value in values} == {measurand}
    assert {value.context for value in values} == {ReadingContext.SAMPLE_PERIODIC}


def test_every_supported_measurand_can_be_read() -> None:
    assert {value.measurand for value in read(*map(Measurand, SUPPORTED))} == set(SUPPORTED)


def test_the_power_of_each_phase_is_reported_where_the_meter_tells_it() -> None:
    told = msgspec.structs.replace(METER, watts=(3700.0, 3650.0, 3650.0))
    found = plain(read(Measurand.POWER_ACTIVE_IMPORT, evse=msgspec.structs.replace(EVSE, meter=told)))
    assert found == [(None, 11_000.0, "W"), (Phase.L1, 3700.0, "W"), (Phase.L2, 3650.0, "W"), (Phase.L3, 3650.0, "W")]
    single = msgspec.structs.replace(METER, watts=(3700.0,))
    assert len(read(Measurand.POWER_ACTIVE_IMPORT, evse=msgspec.structs.replace(EVSE, meter=single))) == 1


def test_a_meter_with_one_phase_reports_one() -> None:
    one = msgspec.structs.replace(EVSE, meter=msgspec.structs.replace(METER, amps=(16.0,), volts=(230.0,)))
    found = plain(read(Measurand.CURRENT_IMPORT, Measurand.VOLTAGE, evse=one))
    assert found == [(Phase.L1, 16.0, "A"), (Phase.L1_N, 230.0, "V")]


def test_a_frequency_that_the_meter_does_not_offer_is_left_out() -> None:
    without = msgspec.structs.replace(EVSE, meter=msgspec.structs.replace(METER, frequency_hz=None))
    assert read(Measurand.FREQUENCY, evse=without) == ()


def test_a_reading_of_five_seconds_is_fresh_and_an_older_one_is_left_out() -> None:
    assert len(read(Measurand.VOLTAGE, meter_age_s=5.0)) == 3
    assert read(Measurand.VOLTAGE, meter_age_s=5.001) == ()


def test_what_the_pilot_offers_needs_a_fresh_status_and_no_meter() -> None:
    bare = msgspec.structs.replace(EVSE, meter=None)
    wanted = (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, Measurand.CURRENT_OFFERED)
    assert [it.measurand for it in read(*wanted, evse=bare, meter_age_s=None)] == [Measurand.CURRENT_OFFERED]
    assert read(*wanted, evse=bare, meter_age_s=None, status_age_s=5.001) == ()


def test_the_order_asked_for_is_kept() -> None:
    wanted = (Measurand.POWER_ACTIVE_IMPORT, Measurand.ENERGY_ACTIVE_IMPORT_REGISTER)
    assert tuple(value.measurand for value in read(*wanted)) == wanted
