"""The mains as the meter sees it: out of band, missing, uneven."""

from typing import Any

import msgspec
import pytest

from chargerd.evse.faults import FaultCode
from chargerd.evse.mains import (
    LOST_S,
    OVER_S,
    UNBALANCE_S,
    UNDER_S,
    mains_causes,
    mains_detail,
)
from chargerd.evse.situation import Situation
from hal.types import EvseFacts, InputName, MeterSample

THREE = EvseFacts(max_amps=32.0, phases=3, unbalance_amps=20.0)
ONE = EvseFacts(max_amps=32.0, phases=1)


def causes(
    volts: tuple[float, ...],
    amps: tuple[float, ...] = (0.0, 0.0, 0.0),
    facts: EvseFacts = THREE,
    standing: tuple[str, ...] = (),
    **changes: Any,
) -> dict[str, float]:
    sample = MeterSample(0.0, 0.0, 0.0, amps, volts)
    situation = Situation(facts=facts, now_mono=0.0, meter=sample)
    return dict(mains_causes(msgspec.structs.replace(situation, **changes), standing))


def test_a_good_supply_has_no_cause() -> None:
    assert causes((230.0, 231.0, 229.0), (16.0, 16.0, 16.0)) == {}


def test_without_a_meter_or_voltages_nothing_is_said_about_the_mains() -> None:
    assert causes((), (32.0, 32.0, 32.0)) == {}
    assert causes((0.0,), meter=None) == {}


@pytest.mark.parametrize("volts, over", [(264.5, False), (264.6, True)])
def test_above_115_percent_for_a_second_a_voltage_is_too_high(volts: float, over: bool) -> None:
    assert causes((230.0, volts, 230.0)) == ({FaultCode.OVER_VOLTAGE: OVER_S} if over else {})
    assert OVER_S == 1.0


@pytest.mark.parametrize("volts, over", [(253.0, False), (253.1, True)])
def test_a_voltage_that_was_too_high_has_to_come_back_to_110_percent(volts: float, over: bool) -> None:
    assert (FaultCode.OVER_VOLTAGE in causes((volts,) * 3, standing=("over_voltage",))) is over


@pytest.mark.parametrize("volts, under", [(184.0, False), (183.9, True)])
def test_below_80_percent_for_3_seconds_a_voltage_is_too_low(volts: float, under: bool) -> None:
    assert causes((230.0, volts, 230.0)) == ({FaultCode.UNDER_VOLTAGE: UNDER_S} if under else {})
    assert UNDER_S == 3.0


@pytest.mark.parametrize("volts, under", [(207.0, False), (206.9, True)])
def test_a_voltage_that_was_too_low_has_to_come_back_to_90_percent(volts: float, under: bool) -> None:
    assert (FaultCode.UNDER_VOLTAGE in causes((volts,) * 3, standing=("under_voltage",))) is under


def test_a_low_phase_that_does_not_carry_the_vehicle_is_not_its_concern() -> None:
    low_l2 = (230.0, 180.0, 230.0)
    assert causes(low_l2, (16.0, 1.0, 0.0)) == {}
    assert causes(low_l2, (16.0, 1.1, 0.0)) == {FaultCode.UNDER_VOLTAGE: UNDER_S}
    assert causes(low_l2, (0.0, 0.0, 0.0)) == {FaultCode.UNDER_VOLTAGE: UNDER_S}


@pytest.mark.parametrize("volts, lost", [(115.0, False), (114.9, True), (0.0, True)])
def test_a_phase_below_half_is_lost_while_another_is_there(volts: float, lost: bool) -> None:
    found = causes((230.0, 230.0, volts))
    assert found == ({FaultCode.PHASE_LOSS: LOST_S} if lost else {FaultCode.UNDER_VOLTAGE: UNDER_S})
    assert LOST_S == 1.0


def test_a_phase_that_was_lost_has_to_come_back_to_90_percent() -> None:
    assert FaultCode.PHASE_LOSS in causes((230.0, 230.0, 206.9), standing=("phase_loss",))
    assert causes((230.0, 230.0, 207.0), standing=("phase_loss",)) == {}


def test_all_phases_below_half_are_a_power_loss_on_one_phase_too() -> None:
    assert causes((114.0, 114.9, 0.0)) == {FaultCode.POWER_LOSS: LOST_S}
    assert causes((0.0,), (0.0,), ONE) == {FaultCode.POWER_LOSS: LOST_S}
    assert causes((200.0,), (0.0,), ONE, standing=("power_loss",)) == {FaultCode.POWER_LOSS: LOST_S}
    assert causes((207.0,), (0.0,), ONE, standing=("power_loss",)) == {}


def test_phases_that_an_evse_of_one_phase_does_not_have_are_not_missed() -> None:
    assert causes((230.0, 0.0, 0.0), (16.0, 0.0, 0.0), ONE) == {}


def test_the_power_fail_input_is_believed_at_once_and_without_a_meter() -> None:
    assert causes((230.0,) * 3, inputs=(InputName.POWER_FAIL,)) == {FaultCode.POWER_LOSS: 0.0}
    assert causes((230.0,), meter=None, inputs=(InputName.POWER_FAIL,)) == {FaultCode.POWER_LOSS: 0.0}
    assert causes((230.0,), meter=None, inputs=(InputName.BUTTON,)) == {}


@pytest.mark.parametrize("amps, uneven", [((26.0, 6.0, 6.0), False), ((26.1, 6.0, 6.0), True), ((20.1, 0.0), True)])
def test_phases_that_differ_by_more_than_the_place_allows_are_told_after_a_minute(
    amps: tuple[float, ...], uneven: bool
) -> None:
    assert causes((230.0,) * 3, amps) == ({FaultCode.PHASE_UNBALANCE: UNBALANCE_S} if uneven else {})
    assert UNBALANCE_S == 60.0


def test_where_there_is_no_rule_for_it_no_unbalance_is_told() -> None:
    assert causes((230.0,) * 3, (32.0, 0.0, 0.0), msgspec.structs.replace(THREE, unbalance_amps=None)) == {}
    assert causes((230.0,), (32.0,), msgspec.structs.replace(ONE, unbalance_amps=1.0)) == {}


def test_the_values_of_every_phase_are_told() -> None:
    sample = MeterSample(0.0, 0.0, 0.0, (16.04, 0.0), (229.6, 0.2))
    assert mains_detail(sample) == "230 / 0 V, 16.0 / 0.0 A"
