import pytest

from chargerd.ocpp.transaction_machine import TxPoint
from chargerd.ocpp.transaction_variables import ALL, EV_CONNECTION_TIME_OUT, TX_START_POINT, TX_STOP_POINT
from tests.chargerd.ocpp.building import Rig


def test_the_points_of_a_bay_sensor_and_of_a_signing_meter_are_not_in_the_values_list() -> None:
    assert set(TX_START_POINT.values) == set(TX_STOP_POINT.values) == set(TxPoint)


def test_all_are_of_the_components_of_the_standard_and_writable() -> None:
    assert {variable.component for variable in ALL} == {"TxCtrlr", "OCPPCommCtrlr"}
    assert all(variable.writable for variable in ALL)


def test_a_timeout_of_zero_would_end_every_authorization_at_once_and_is_refused() -> None:
    assert EV_CONNECTION_TIME_OUT.minimum == 1


@pytest.mark.parametrize("name", ["TxStartPoint", "TxStopPoint"])
def test_points_this_station_cannot_observe_are_not_offered(name: str) -> None:
    rig = Rig()

    def attempt(value: str) -> str:
        data = {"component": {"name": "TxCtrlr"}, "variable": {"name": name}, "attributeValue": value}
        result: str = rig.call("SetVariables", setVariableData=[data])["setVariableResult"][0]["attributeStatus"]
        return result

    assert attempt("EVConnected,Authorized") == "Accepted"
    assert attempt("ParkingBayOccupancy") == "Rejected"
    assert attempt("DataSigned") == "Rejected"
    assert attempt("") == "Rejected"
