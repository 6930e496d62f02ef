"""Block E: how transactions stop while the vehicle is there (E06, E07)."""

from collections.abc import Mapping
from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import (
    authorized,
    booted,
    charging,
    connected,
    event,
    status,
    stopped_locally,
    stopped_remotely,
    suspended_by_ev,
    unplugged,
)


def stop_point(points: str, **more: str) -> dict[str, str]:
    """Settings with this TxStopPoint, and more variables of TxCtrlr."""
    return {"TxCtrlr.TxStopPoint": points} | {f"TxCtrlr.{name}": value for name, value in more.items()}


def ended(told: Payload, **wanted: Any) -> None:
    """This event is the last one of its transaction."""
    info: Mapping[str, Any] = told["transactionInfo"]
    assert told["eventType"] == "Ended", told
    assert wanted.items() <= info.items(), told


@case("TC_E_06_CS")
def tc_e_06(sut: StationUnderTest) -> None:
    """The same card ends the charge, and the vehicle can leave."""
    booted(sut)
    charging(sut)
    stopped_locally(sut)
    unplugged(sut)


@case("TC_E_07_CS", settings=stop_point("PowerPathClosed"))
def tc_e_07(sut: StationUnderTest) -> None:
    """Stop point PowerPathClosed: the same card ends the transaction."""
    booted(sut)
    charging(sut)
    stopped_locally(sut)


@case("TC_E_08_CS", settings=stop_point("EnergyTransfer"))
def tc_e_08(sut: StationUnderTest) -> None:
    """Stop point EnergyTransfer: the same card ends the transaction, at once or when energy has stopped."""
    booted(sut)
    charging(sut)
    sut.present(VALID)
    told = event(sut, {"Updated", "Ended"}, trigger="StopAuthorized", token={None, VALID})
    if told["eventType"] == "Updated":
        told = event(sut, "Ended", trigger="ChargingStateChanged", state="EVConnected")
    assert told["transactionInfo"].get("stoppedReason") in {None, "Local"}, told


@case("TC_E_14_CS", settings=stop_point("EVConnected"))
def tc_e_14(sut: StationUnderTest) -> None:
    """Stop point EVConnected: after the card the transaction goes on without energy, and ends with the vehicle."""
    booted(sut)
    charging(sut)
    sut.present(VALID)
    event(sut, "Updated", trigger="StopAuthorized", token={None, VALID})
    event(sut, "Updated", trigger="ChargingStateChanged", state="EVConnected")
    unplugged(sut)
    event(sut, "Ended", trigger="EVCommunicationLost", state="Idle", reason={None, "Local", "EVDisconnected"})


@case("TC_E_15_CS", settings=stop_point("Authorized"))
def tc_e_15(sut: StationUnderTest) -> None:
    """Stop point Authorized: the same card ends the transaction."""
    booted(sut)
    charging(sut)
    sut.present(VALID)
    event(sut, "Ended", trigger="StopAuthorized", reason="Local")


@case(
    "TC_E_16_CS",
    settings=stop_point("Authorized", StopTxOnInvalidId="true")
    | {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true", "AuthCtrlr.LocalAuthorizeOffline": "true"},
)
def tc_e_16(sut: StationUnderTest) -> None:
    """Stop point Authorized: what was started without the CSMS ends when the CSMS refuses the card afterwards."""
    booted(sut)
    sut.go_offline()
    sut.present(VALID)
    sut.plug_in()
    sut.ev_ready()
    sut.wait(2.0)
    sut.answer("TransactionEvent", lambda told: {"idTokenInfo": {"status": "Invalid"}} if "idToken" in told else {})
    sut.go_online()
    event(sut, "Started", token=VALID, offline=True)
    event(sut, "Ended", trigger="Deauthorized", reason="DeAuthorized")


@case("TC_E_21_CS", settings=stop_point("Authorized"))
def tc_e_21(sut: StationUnderTest) -> None:
    """Stop point Authorized: the CSMS ends the transaction."""
    booted(sut)
    ended(stopped_remotely(sut, charging(sut)), stoppedReason="Remote")


@case("TC_E_22_CS", settings=stop_point("EnergyTransfer"))
def tc_e_22(sut: StationUnderTest) -> None:
    """Stop point EnergyTransfer: a pause of the vehicle ends the transaction."""
    booted(sut)
    told = suspended_by_ev(sut, charging(sut))
    assert told["triggerReason"] == "ChargingStateChanged", told
    ended(told, stoppedReason="StoppedByEV", chargingState="EVConnected")


@case("TC_E_35_CS", settings=stop_point("PowerPathClosed"))
def tc_e_35(sut: StationUnderTest) -> None:
    """Stop point PowerPathClosed: the CSMS ends the transaction."""
    booted(sut)
    ended(stopped_remotely(sut, charging(sut)), stoppedReason="Remote")


@case(
    "TC_E_39_CS",
    settings=stop_point("Authorized", TxStartPoint="Authorized", EVConnectionTimeOut="3"),
)
def tc_e_39(sut: StationUnderTest) -> None:
    """Stop point Authorized: when no vehicle comes in time the transaction ends, and one that comes later does not
    charge.
    """
    booted(sut)
    authorized(sut)
    event(sut, "Started")
    event(sut, "Ended", trigger="EVConnectTimeout", reason="Timeout")
    connected(sut)
    sut.ev_ready()
    sut.expect_nothing("TransactionEvent", {"transactionInfo.chargingState": "Charging"}, for_s=3.0)
    sut.plug_out()
    status(sut, "Available")
