from typing import Any

import pytest

from chargerd.evse.types import PilotState
from hal.types import Alarm, InputName
from tests.chargerd.ocpp.building import Rig, board
from tests.chargerd.ocpp.hardware import ask


def rig_with(**facts: Any) -> Rig:
    rig = Rig(facts=board(**facts))
    rig.status()
    return rig


def test_the_pilot_says_state_duty_and_offer() -> None:
    rig = rig_with()
    rig.status(pilot_state=PilotState.C, ev_connected=True, duty_percent=26.7, offered_amps=16.0)
    assert ask(rig, "CPPWMController", "State") == "C"
    assert ask(rig, "CPPWMController", "Percent") == "26.7"
    assert ask(rig, "CPPWMController", "ACCurrent") == "16"
    assert ask(rig, "CPPWMController", "Active") == "true"


def test_the_lock_stands_at_the_connector_and_only_where_one_is_fitted() -> None:
    rig = rig_with()
    rig.status(locked=True, lock_cycles=4)
    assert ask(rig, "ConnectorPlugRetentionLock", "Active", connector=1) == "true"
    assert ask(rig, "ConnectorPlugRetentionLock", "Count", connector=1) == "4"
    assert ask(rig, "ConnectorPlugRetentionLock", "Active") is None
    assert ask(rig_with(has_lock=False), "ConnectorPlugRetentionLock", "Active", connector=1) is None


def test_a_lock_without_a_contact_does_not_say_where_it_is() -> None:
    rig = rig_with()
    rig.status(locked=None)
    assert ask(rig, "ConnectorPlugRetentionLock", "Active", connector=1) == ""


def test_the_cable_of_a_socket_has_a_rating() -> None:
    rig = rig_with(has_proximity=True)
    assert ask(rig, "Connector", "ACCurrent", connector=1) == ""
    rig.status(cable_amps=20.0)
    assert ask(rig, "Connector", "ACCurrent", connector=1) == "20"
    assert ask(rig_with(), "Connector", "ACCurrent", connector=1) is None


def test_how_charging_is_controlled_and_who_is_served() -> None:
    assert ask(rig_with(), "Connector", "ChargeProtocol", connector=1) == "CPPWM"
    assert ask(rig_with(), "AreaVentilation", "Available") == "false"
    assert ask(rig_with(ventilated=True), "AreaVentilation", "Available") == "true"


@pytest.mark.parametrize(
    "code, component, variable, where, fitted",
    [
        ("diode", "CPPWMController", "Problem", {}, {}),
        ("controller_fault", "Controller", "Problem", {}, {"alarms": (Alarm.INTERNAL,)}),
        ("ventilation", "AreaVentilation", "Problem", {}, {}),
        ("cable_invalid", "Connector", "Problem", {"connector": 1}, {}),
        ("lock_failure", "ConnectorPlugRetentionLock", "Problem", {"connector": 1}, {}),
        ("latch_broken", "ConnectorPlugRetentionLock", "Tripped", {"connector": 1}, {}),
        ("cable_cut", "CableBreakawaySensor", "Tripped", {"connector": 1}, {"inputs": (InputName.CABLE_CUT,)}),
    ],
)
def test_a_fault_stands_at_its_component(
    code: str, component: str, variable: str, where: dict[str, Any], fitted: dict[str, Any]
) -> None:
    rig = rig_with(**fitted)
    assert ask(rig, component, variable, **where) == "false"
    rig.fault(code)
    assert ask(rig, component, variable, **where) == "true"


def test_a_plain_board_has_no_controller_of_its_own() -> None:
    assert ask(rig_with(), "Controller", "Problem") is None
    assert ask(rig_with(), "CableBreakawaySensor", "Tripped", connector=1) is None
