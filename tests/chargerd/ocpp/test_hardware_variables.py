from chargerd.evse.faults import TABLE, Origin
from chargerd.ocpp.events import SignalMeasured
from chargerd.ocpp.hardware_variables import READINGS
from chargerd.ocpp.troubles import NO_CSMS_S
from tests.chargerd.ocpp.building import Rig, board

STATES = {"Problem", "Tripped", "Overload"}
ELSEWHERE = {"ConnectedEV"}
"""A vehicle over ISO 15118, which this station does not speak: its faults are told as events only."""


def of_station(rig: Rig, component: str, variable: str) -> str:
    data = {"component": {"name": component}, "variable": {"name": variable}}
    (result,) = rig.call("GetVariables", getVariableData=[data])["getVariableResult"]
    value: str = result["attributeValue"]
    return value


def test_every_state_that_a_fault_is_told_as_can_be_asked_for() -> None:
    told = {(row.component, row.variable) for row in TABLE if row.origin is Origin.CHARGING and row.variable in STATES}
    there = {(reading.variable.component, reading.variable.name) for reading in READINGS}
    assert {name for name in told if name[0] not in ELSEWHERE} <= there


def test_the_station_has_a_problem_while_a_fault_keeps_energy_off_anywhere() -> None:
    rig = Rig(facts=board(2))
    rig.status()
    assert of_station(rig, "ChargingStation", "Problem") == "false"
    rig.fault("diode", evse_id=2)
    assert of_station(rig, "ChargingStation", "Problem") == "true"
    rig.fault(evse_id=2)
    rig.status_lost()
    assert of_station(rig, "ChargingStation", "Problem") == "true"


def test_what_the_product_is() -> None:
    rig = Rig()
    assert of_station(rig, "ChargingStation", "SerialNumber") == "S"
    assert of_station(rig, "Controller", "FirmwareVersion") == "1.0"
    assert of_station(rig, "ElectricalFeed", "FuseRating") == ""


def test_the_link_is_a_component() -> None:
    rig = Rig()
    assert of_station(rig, "DataLink", "Active") == "true"
    assert of_station(rig, "DataLink", "SignalStrength") == ""
    rig.feed(SignalMeasured(-67.0))
    assert of_station(rig, "DataLink", "SignalStrength") == "-67"
    rig.link_down()
    rig.advance(NO_CSMS_S + 1)
    assert rig.station.troubles.has_no_csms
    rig.link_up()
    assert of_station(rig, "DataLink", "Problem") == "false"


def test_every_evse_has_what_is_fitted_to_it() -> None:
    rig = Rig(facts=board(2))
    for reading in READINGS:
        places = rig.station.ctx.variables.places(reading.variable)
        assert [place.evse_id for place in places] in ([], [1, 2])
    contactor = next(reading for reading in READINGS if reading.variable.component == "PowerContactor")
    assert len(rig.station.ctx.variables.places(contactor.variable)) == 2
