from typing import Any

import pytest

from hal.types import Alarm, InputName, PartFacts, TokenKind
from tests.chargerd.ocpp.building import Rig, board
from tests.chargerd.ocpp.hardware import ask

READER = PartFacts(role="reader", vendor="NXP", model="PN532")
DISPLAY = PartFacts(role="display", vendor="Solomon Systech", model="SSD1306")
LIGHT = PartFacts(role="indicator")


def rig_with(**facts: Any) -> Rig:
    rig = Rig(facts=board(**facts))
    rig.status()
    return rig


@pytest.mark.parametrize(
    "component, fitted, field, most",
    [
        ("TemperatureSensor", "has_thermometer", "celsius", "65"),
        ("ExternalTemperatureSensor", "has_plug_thermometer", "plug_celsius", "80"),
    ],
)
def test_a_thermometer_says_how_warm_it_is_and_where_charging_ends(
    component: str, fitted: str, field: str, most: str
) -> None:
    rig = rig_with(**{fitted: True})
    assert ask(rig, component, "Temperature") == ""
    warm: dict[str, Any] = {field: 41.5}
    rig.status(**warm)
    assert ask(rig, component, "Temperature") == "41.5"
    assert ask(rig, component, "Temperature", attribute="MaxSet") == most
    assert ask(rig, component, "Temperature", attribute="MinSet") is None
    assert ask(rig_with(), component, "Temperature") is None


def test_a_threshold_is_read_only() -> None:
    data = {
        "component": {"name": "TemperatureSensor", "evse": {"id": 1}},
        "variable": {"name": "Temperature"},
        "attributeType": "MaxSet",
        "attributeValue": "90",
    }
    (result,) = rig_with(has_thermometer=True).call("SetVariables", setVariableData=[data])["setVariableResult"]
    assert (result["attributeStatus"], result["attributeStatusInfo"]["reasonCode"]) == ("Rejected", "ReadOnly")


def test_the_reader_says_how_a_token_was_read_and_never_which() -> None:
    rig = rig_with(parts=(READER,))
    assert ask(rig, "TokenReader", "TokenType") == ""
    rig.tap(kind=TokenKind.ISO15693)
    assert ask(rig, "TokenReader", "TokenType") == "ISO15693"
    assert ask(rig, "TokenReader", "Token") is None
    assert (ask(rig, "TokenReader", "VendorName"), ask(rig, "TokenReader", "Model")) == ("NXP", "PN532")
    assert ask(rig_with(), "TokenReader", "TokenType") is None


def test_the_display_says_what_it_shows() -> None:
    rig = rig_with(parts=(DISPLAY,))
    assert ask(rig, "Display", "DataText", "1") == "Available"
    assert ask(rig, "Display", "DataText", "2") == ""
    assert ask(rig, "Display", "Model") == "SSD1306"
    assert ask(rig_with(), "Display", "DataText", "1") is None


def test_the_light_says_what_it_tells() -> None:
    rig = rig_with(parts=(LIGHT,))
    assert ask(rig, "ChargingStatusIndicator", "State") == "available"
    rig.plug_in()
    assert ask(rig, "ChargingStatusIndicator", "State") == "connected"


def test_a_button_that_is_pressed_is_active() -> None:
    rig = rig_with(inputs=(InputName.BUTTON,))
    assert ask(rig, "UIInput", "Active") == "false"
    rig.status(inputs=(InputName.BUTTON,))
    assert ask(rig, "UIInput", "Active") == "true"
    assert ask(rig_with(), "UIInput", "Active") is None


@pytest.mark.parametrize(
    "code, component, variable, fitted",
    [
        ("over_temperature", "TemperatureSensor", "Problem", {"has_thermometer": True}),
        ("plug_over_temperature", "ExternalTemperatureSensor", "Problem", {"has_plug_thermometer": True}),
        ("emergency_stop", "EmergencyStopSensor", "Tripped", {"inputs": (InputName.EMERGENCY_STOP,)}),
        ("emergency_stop", "EmergencyStopSensor", "Tripped", {"alarms": (Alarm.EMERGENCY_STOP,)}),
        ("enclosure_open", "CaseAccessSensor", "Tripped", {"inputs": (InputName.ENCLOSURE,)}),
    ],
)
def test_a_fault_stands_at_its_component(code: str, component: str, variable: str, fitted: dict[str, Any]) -> None:
    rig = rig_with(**fitted)
    assert ask(rig, component, variable) == "false"
    rig.fault(code)
    assert ask(rig, component, variable) == "true"
