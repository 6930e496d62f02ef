from typing import Any

import pytest

from hal.types import Alarm, InputName, MeterSample
from tests.chargerd.ocpp.building import Rig, board
from tests.chargerd.ocpp.hardware import ask


def rig_with(**facts: Any) -> Rig:
    rig = Rig(facts=board(**facts))
    sample = MeterSample(rig.clock.monotonic(), 5000.0, 8000.0, (16.0, 16.0, 4.0), (231.0, 230.0, 229.0), 50.02)
    rig.status(meter=sample, plugged_wh=4200.0, relay_commanded=True, contactor_cycles=3)
    return rig


@pytest.mark.parametrize(
    "component, variable, instance, value",
    [
        ("ElectricalFeed", "ACVoltage", "L1", "231"),
        ("ElectricalFeed", "ACVoltage", "L3", "229"),
        ("ElectricalFeed", "Frequency", None, "50.02"),
        ("EVSE", "ACCurrent", "L3", "4"),
        ("EVSE", "CurrentImbalance", None, "33.333333"),
        ("FiscalMetering", "EnergyImportRegister", None, "5000"),
        ("FiscalMetering", "EnergyImport", None, "800"),
        ("FiscalMetering", "Power", None, "8000"),
        ("OverCurrentProtection", "ACCurrent", None, "16"),
        ("PowerContactor", "Active", None, "true"),
        ("PowerContactor", "Count", None, "3"),
        ("PowerContactor", "FuseRating", None, "32"),
    ],
)
def test_the_way_of_the_energy_is_read_off_meter_and_contactor(
    component: str, variable: str, instance: str | None, value: str
) -> None:
    assert ask(rig_with(), component, variable, instance) == value


def test_one_phase_has_one_voltage() -> None:
    rig = rig_with(phases=1)
    assert ask(rig, "ElectricalFeed", "ACVoltage", "L1") == "231"
    assert ask(rig, "ElectricalFeed", "ACVoltage", "L2") is None


def test_the_feedback_contact_knows_better_than_the_command() -> None:
    rig = rig_with()
    rig.status(relay_commanded=True, relay_closed=False)
    assert ask(rig, "PowerContactor", "Active") == "false"


def test_nothing_is_claimed_while_the_control_process_is_silent() -> None:
    rig = rig_with()
    rig.status_lost()
    assert ask(rig, "PowerContactor", "Active") == ""
    assert ask(rig, "FiscalMetering", "EnergyImportRegister") == ""
    assert ask(rig, "FiscalMetering", "EnergyImport") == ""


@pytest.mark.parametrize(
    "code, component, variable, fitted",
    [
        ("phase_loss", "ElectricalFeed", "Problem", {}),
        ("meter_silent", "FiscalMetering", "Problem", {}),
        ("ev_overdraw", "OverCurrentProtection", "Tripped", {}),
        ("residual_dc", "RCD", "Tripped", {"has_residual": True}),
        ("residual_dc", "RCD", "Tripped", {"alarms": (Alarm.RESIDUAL_DC,)}),
        ("no_ground", "GroundIsolationProtection", "Problem", {"alarms": (Alarm.NO_GROUND,)}),
        ("contactor_welded", "PowerContactor", "Problem", {}),
        ("output_voltage", "PowerContactor", "Tripped", {"inputs": (InputName.OUTPUT_VOLTAGE,)}),
        ("phase_switch", "AcPhaseSelector", "Problem", {"has_phase_switch": True}),
        ("ev_overdraw_warning", "EVSE", "Overload", {}),
        ("device_silent", "EVSE", "Problem", {}),
    ],
)
def test_a_fault_stands_at_its_component(code: str, component: str, variable: str, fitted: dict[str, Any]) -> None:
    rig = rig_with(**fitted)
    assert ask(rig, component, variable) == "false"
    rig.fault(code)
    assert ask(rig, component, variable) == "true"


def test_what_is_not_fitted_is_no_component() -> None:
    rig = rig_with(has_meter=False)
    for component, variable in (
        ("FiscalMetering", "Power"),
        ("RCD", "Tripped"),
        ("GroundIsolationProtection", "Problem"),
        ("AcPhaseSelector", "SupplyPhases"),
    ):
        assert ask(rig, component, variable) is None


def test_the_phase_contactor_says_how_many_phases_it_connects() -> None:
    rig = rig_with(has_phase_switch=True)
    rig.status(phases=1)
    assert ask(rig, "AcPhaseSelector", "SupplyPhases") == "1"
