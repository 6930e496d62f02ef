"""The fault table is whole, and what stands is a value."""

import ocpp.v201.enums as ocpp_names
import pytest

from chargerd.evse.contactor import RECLOSE_AFTER_FAULT_S
from chargerd.evse.faults import (
    ALARMS,
    BLINK_CODES,
    TABLE,
    ClearedBy,
    Fault,
    FaultCode,
    Origin,
    Severity,
    blink_code,
    cleared,
    fault,
    raised,
)
from chargerd.evse.types import ActiveFault
from hal.types import Alarm, Indication
from tests.chargerd.evse.plant_rig import PlantRig
from tests.chargerd.evse.provoking import PROVOCATIONS, Provocation

MREC = """CX001 CX002 CX003 CX004 CX005 CX006 CX007 CX008 CX009 CX010 CX013 CX014 CX015 CX016 CX017 CX018 CX019 CX020
CX023 CX024 CX025 CX026"""
"""The minimum required error codes an AC station can see; CX011, 012, 021 and 022 are of DC alone."""


def test_every_code_has_exactly_one_row() -> None:
    assert [row.code for row in TABLE] == list(FaultCode)


def test_every_minimum_required_error_code_of_an_ac_station_has_a_row() -> None:
    assert {row.mrec for row in TABLE} - {""} == set(MREC.split())


def test_what_only_the_station_process_can_see_is_its_to_raise_and_never_keeps_energy_off() -> None:
    assert {row.mrec for row in TABLE if row.origin is Origin.STATION} == {"CX007", "CX009", "CX013"}
    assert all(row.severity is Severity.WARNING for row in TABLE if row.origin is Origin.STATION)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_every_row_has_words_for_people_with_a_remedy(row: Fault) -> None:
    assert row.text.endswith(".")
    assert row.remedy.endswith((".", "?"))
    assert fault(row.code) is row


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_every_row_names_a_component_and_variable_of_the_standard(row: Fault) -> None:
    assert row.component in {name.value for name in ocpp_names.PhysicalComponentName}
    variables = getattr(ocpp_names, f"{row.component}VariableName")
    assert row.variable in {name.value for name in variables}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_E06_FR_16_what_ends_a_transaction_keeps_energy_off_and_has_a_reason_of_the_standard(row: Fault) -> None:
    if row.stopped_reason:
        assert row.severity is not Severity.WARNING
        assert row.stopped_reason in {name.value for name in ocpp_names.ReasonEnumType}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_what_keeps_energy_off_is_shown_red_and_blinks_and_a_warning_leaves_the_lights_alone(row: Fault) -> None:
    assert row.indication is (None if row.severity is Severity.WARNING else Indication.FAULTED)
    if row.origin is Origin.CHARGING:
        assert row.blink_code in BLINK_CODES
    else:
        assert row.blink_code == 0


def test_the_light_blinks_for_the_oldest_fault_that_keeps_energy_off() -> None:
    assert blink_code(()) == 0
    warned = raised((), FaultCode.DERATING, 1.0)
    assert blink_code(warned) == 0
    stopped = raised(raised(warned, FaultCode.METER_SILENT, 2.0), FaultCode.DIODE, 3.0)
    assert blink_code(stopped) == fault("meter_silent").blink_code == 7


def test_every_alarm_of_a_controller_is_a_fault() -> None:
    assert set(ALARMS) == set(Alarm)


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(KeyError):
        fault("nonsense")


def test_what_can_hurt_somebody_stays_until_unplugged() -> None:
    latched = {row.code for row in TABLE if row.latched}
    assert latched == {
        FaultCode.DIODE,
        FaultCode.VENTILATION,
        FaultCode.CONTACTOR_NO_CLOSE,
        FaultCode.CONTACTOR_WELDED,
        FaultCode.CURRENT_WHILE_OPEN,
        FaultCode.PHASE_SWITCH,
        FaultCode.EV_OVERDRAW,
        FaultCode.RESIDUAL_AC,
        FaultCode.RESIDUAL_DC_AGAIN,
        FaultCode.CABLE_CHANGED,
    }
    assert all(row.severity is Severity.OPEN for row in TABLE if row.latched)


def test_a_fault_raised_again_keeps_its_beginning() -> None:
    once = raised((), FaultCode.DIODE, 5.0, "low 9.0 V")
    assert once == (ActiveFault("diode", 5.0, "low 9.0 V"),)
    assert raised(once, FaultCode.DIODE, 6.0, "other") == once
    assert raised((), FaultCode.DIODE, 5.0) == (ActiveFault("diode", 5.0, ""),)
    assert [active.code for active in raised(once, FaultCode.PILOT_SHORT, 6.0)] == ["diode", "pilot_short"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("unplugged", [True, False])
def test_a_fault_ends_as_its_row_says(row: Fault, present: bool, unplugged: bool) -> None:
    standing = raised((), row.code, 5.0)
    ends = not present and (unplugged or row.cleared_by is ClearedBy.CAUSE_GONE)
    assert cleared(standing, [row.code] if present else [], unplugged) == (() if ends else standing)


def test_only_a_warning_lets_energy_flow() -> None:
    for row in TABLE:
        (active,) = raised((), row.code, 0.0)
        assert active.warning is (row.severity is Severity.WARNING)


# ---- On the simulated plant ------------------------------------------------------------------------------------------


def test_each_fault_of_the_charging_side_is_provoked() -> None:
    assert sorted(each.code for each in PROVOCATIONS) == sorted(
        row.code for row in TABLE if row.origin is Origin.CHARGING
    )


@pytest.mark.parametrize("provocation", PROVOCATIONS, ids=lambda provocation: provocation.code)
def test_each_fault_can_be_raised_ends_energy_as_its_row_says_and_can_be_cleared(provocation: Provocation) -> None:
    rig = PlantRig()
    rig.take(provocation.before)
    assert all(fault.code != provocation.code for fault in rig.status.faults)
    rig.take(provocation.steps)
    assert rig.stands_within(provocation.code, provocation.within_s), (rig.status.why_not, rig.status.faults)
    rig.run(0.1)
    severity = fault(provocation.code).severity
    if severity is not Severity.WARNING:
        assert rig.status.offered_amps == 0.0
        assert f"fault:{provocation.code}" in rig.status.why_not
    if severity is Severity.OPEN:
        assert not rig.status.relay_commanded
    rig.take(provocation.mend)
    assert rig.stands_within(provocation.code, provocation.gone_within_s, stands=False), rig.status.faults
    if rig.evse.vehicle is not None:
        rig.evse.plug_out(force=True)
    rig.run(1.0)
    rig.clock.advance(RECLOSE_AFTER_FAULT_S)
    rig.charge()
