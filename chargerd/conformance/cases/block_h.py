"""Block H: EVSEs kept for somebody."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import (
    authorized,
    booted,
    change_availability,
    charging,
    connected,
    energy_starts,
    event,
    reservation,
    reserved,
    status,
    unavailable,
)

GROUP = {"idToken": "FLEET-7", "type": "Central"}
IN_GROUP = {"idTokenInfo": {"status": "Accepted", "groupIdToken": GROUP}}


@case("TC_H_01_CS")
def tc_h_01(sut: StationUnderTest) -> None:
    """The holder of a reservation uses it: the connector becomes Available, and the transaction names it."""
    booted(sut)
    reserved(sut, 11)
    authorized(sut)
    status(sut, "Available")
    uses(sut, 11)


@case("TC_H_02_CS")
def tc_h_02(sut: StationUnderTest) -> None:
    """Nobody but the holder has energy from a reserved EVSE, be it by card or by a remote start; the connector stays
    Reserved with a vehicle plugged in.
    """
    booted(sut)
    reserved(sut)
    sut.plug_in()
    sut.ev_ready()
    sut.present(OTHER)
    charges = {"transactionInfo.chargingState": "Charging"}
    sut.expect_nothing("TransactionEvent", charges, for_s=5.0)
    sut.expect_nothing("StatusNotification", {"evseId": 1, "connectorStatus": "Occupied"}, for_s=0.1)
    start = {"idToken": {"idToken": OTHER, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
    sut.call_gives("RequestStartTransaction", start, {"status": "Rejected"})
    sut.expect_nothing("TransactionEvent", charges)


@case("TC_H_03_CS")
def tc_h_03(sut: StationUnderTest) -> None:
    """An EVSE that is reserved cannot be reserved again."""
    booted(sut)
    reserved(sut, 11)
    asks(sut, "Occupied", 12, 1, OTHER)


@case("TC_H_04_CS")
def tc_h_04(sut: StationUnderTest) -> None:
    """An EVSE that is in use cannot be reserved."""
    booted(sut)
    charging(sut)
    asks(sut, "Occupied", 12, 1, OTHER)


@case("TC_H_06_CS")
def tc_h_06(sut: StationUnderTest) -> None:
    """An EVSE that is out of service cannot be reserved."""
    booted(sut)
    unavailable(sut, 1)
    asks(sut, "Unavailable", 12, 1, OTHER)


@case("TC_H_07_CS")
def tc_h_07(sut: StationUnderTest) -> None:
    """A reservation that nobody used ends when it is told to: everybody may charge again, and the CSMS hears of it."""
    booted(sut)
    asks(sut, "Accepted", 11, 1, VALID, for_s=5.0)
    status(sut, "Reserved")
    status(sut, "Available", within_s=15.0)
    sut.expect("ReservationStatusUpdate", {"reservationId": 11, "reservationUpdateStatus": "Expired"})
    authorized(sut, OTHER)
    uses(sut, None)


@case("TC_H_08_CS")
def tc_h_08(sut: StationUnderTest) -> None:
    """A reservation of any EVSE: with one EVSE left it is Reserved, and the holder may use it."""
    booted(sut)
    occupy_all_but_the_first(sut)
    asks(sut, "Accepted", 11, None)
    status(sut, "Reserved")
    authorized(sut)
    uses(sut, 11)


@case("TC_H_09_CS")
def tc_h_09(sut: StationUnderTest) -> None:
    """Where all EVSEs are reserved none can be reserved."""
    booted(sut)
    for evse in range(1, sut.evses + 1):
        reserved(sut, 10 + evse, evse, f"04CCDDEE{evse:02X}")
    asks(sut, "Occupied", 30, None)


@case("TC_H_10_CS")
def tc_h_10(sut: StationUnderTest) -> None:
    """Where all EVSEs are in use none can be reserved."""
    booted(sut)
    for evse in range(1, sut.evses + 1):
        charging(sut, f"04CCDDEE{evse:02X}", evse)
    asks(sut, "Occupied", 30, None)


@case("TC_H_12_CS")
def tc_h_12(sut: StationUnderTest) -> None:
    """Where the station is out of service nothing can be reserved."""
    booted(sut)
    unavailable(sut, None)
    asks(sut, "Unavailable", 30, None)


@case("TC_H_14_CS")
def tc_h_14(sut: StationUnderTest) -> None:
    """With as many reservations of any EVSE as there are EVSEs, all are Reserved."""
    booted(sut)
    for number in range(1, sut.evses + 1):
        asks(sut, "Accepted", 10 + number, None, f"04CCDDEE{number:02X}")
    for evse in range(1, sut.evses + 1):
        status(sut, "Reserved", evse)


@case("TC_H_15_CS")
def tc_h_15(sut: StationUnderTest) -> None:
    """A reservation of a connector type: with one EVSE of it left it is Reserved, and the holder may use it."""
    booted(sut)
    kind = connector_type(sut)
    occupy_all_but_the_first(sut)
    asks(sut, "Accepted", 11, None, connectorType=kind)
    status(sut, "Reserved")
    authorized(sut)
    uses(sut, 11)


@case("TC_H_16_CS")
def tc_h_16(sut: StationUnderTest) -> None:
    """Where all EVSEs of a connector type are reserved none of that type can be reserved."""
    booted(sut)
    for evse in range(1, sut.evses + 1):
        reserved(sut, 10 + evse, evse, f"04CCDDEE{evse:02X}")
    kind = connector_type(sut)
    asks(sut, "Occupied", 30, None, connectorType=kind)


@case("TC_H_17_CS")
def tc_h_17(sut: StationUnderTest) -> None:
    """A reservation is cancelled: the connector becomes Available, and no end is reported."""
    booted(sut)
    reserved(sut, 11)
    sut.call_gives("CancelReservation", {"reservationId": 11}, {"status": "Accepted"})
    status(sut, "Available")
    sut.expect_nothing("ReservationStatusUpdate", for_s=1.0)


@case("TC_H_18_CS")
def tc_h_18(sut: StationUnderTest) -> None:
    """A reservation that is not there cannot be cancelled."""
    booted(sut)
    sut.call_gives("CancelReservation", {"reservationId": 1}, {"status": "Rejected"})


@case("TC_H_19_CS")
def tc_h_19(sut: StationUnderTest) -> None:
    """Another token of the group that an EVSE is reserved for may use it."""
    booted(sut)
    reserved(sut, 11, groupIdToken=GROUP)
    sut.answer("Authorize", IN_GROUP)
    authorized(sut, OTHER)
    status(sut, "Available")
    uses(sut, 11)


@case("TC_H_21_CS")
def tc_h_21(sut: StationUnderTest) -> None:
    """A reserved EVSE is put out of service: the reservation is gone, the CSMS hears of it, and afterwards everybody
    may charge.
    """
    booted(sut)
    reserved(sut, 11)
    change_availability(sut, "Inoperative", 1)
    status(sut, "Unavailable")
    sut.expect("ReservationStatusUpdate", {"reservationId": 11, "reservationUpdateStatus": "Removed"})
    change_availability(sut, "Operative", 1)
    status(sut, "Available")
    authorized(sut, OTHER)
    uses(sut, None)


@case("TC_H_22_CS", settings={"ReservationCtrlr.Enabled": "false"})
def tc_h_22(sut: StationUnderTest) -> None:
    """A station that is not to take reservations takes none."""
    booted(sut)
    asks(sut, "Rejected", 11, 1)


@case("TC_H_23_CS")
def tc_h_23(sut: StationUnderTest) -> None:
    """A second reservation with the same id replaces the first: the new holder may charge."""
    booted(sut)
    reserved(sut, 11, 1, VALID)
    asks(sut, "Accepted", 11, 1, OTHER)
    authorized(sut, OTHER)
    status(sut, "Available")
    uses(sut, 11)


@case("TC_H_24_CS")
def tc_h_24(sut: StationUnderTest) -> None:
    """Another token of the group may use a reservation of any EVSE."""
    booted(sut)
    occupy_all_but_the_first(sut)
    asks(sut, "Accepted", 11, None, VALID, groupIdToken=GROUP)
    status(sut, "Reserved")
    sut.answer("Authorize", IN_GROUP)
    authorized(sut, OTHER)
    uses(sut, 11)


def asks(sut: StationUnderTest, answer: str, number: int, evse: int | None, uid: str = VALID, **more: Any) -> Payload:
    """ReserveNow; `answer` is wanted. `more`: of the request, or `for_s`, until it expires."""
    return sut.call_gives("ReserveNow", reservation(sut, number, evse, uid, **more), {"status": answer})


def connector_type(sut: StationUnderTest) -> str:
    """Of the connector of EVSE 1."""
    wanted = {"component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}}
    request = {"getVariableData": [wanted | {"variable": {"name": "ConnectorType"}}]}
    return str(sut.call("GetVariables", request)["getVariableResult"][0]["attributeValue"])


def occupy_all_but_the_first(sut: StationUnderTest) -> None:
    """Vehicles stand at all EVSEs but EVSE 1."""
    for evse in range(2, sut.evses + 1):
        connected(sut, evse)


def uses(sut: StationUnderTest, reservation_id: int | None) -> None:
    """Authorized at EVSE 1: a vehicle comes and charges, and one of the events says which reservation was used."""
    connected(sut)
    if reservation_id is not None:
        event(sut, {"Started", "Updated"}, reservationId=reservation_id)
        sut.ev_ready()
        event(sut, "Updated", state="Charging")
    else:
        energy_starts(sut)
        sut.expect_nothing("TransactionEvent", {"reservationId": ...}, for_s=0.1)
