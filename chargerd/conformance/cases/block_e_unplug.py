"""Block E: the cable is unplugged at the vehicle while a transaction runs (E06, E09, E10)."""

from chargerd.conformance.case import case
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import booted, charging, connected, event, suspended_by_ev, unplugged


def settings(stop: str, stops_tx: str, unlocks: str = "true", **more: str) -> dict[str, str]:
    """TxStopPoint, StopTxOnEVSideDisconnect, UnlockOnEVSideDisconnect, and more variables of TxCtrlr."""
    tx = {"TxStopPoint": stop, "StopTxOnEVSideDisconnect": stops_tx} | more
    return {f"TxCtrlr.{name}": value for name, value in tx.items()} | {
        "OCPPCommCtrlr.UnlockOnEVSideDisconnect": unlocks
    }


def paused(sut: StationUnderTest, evse: int = 1) -> str:
    """A transaction in which the vehicle wants no energy for now; its id."""
    booted(sut)
    transaction_id = charging(sut, evse=evse)
    suspended_by_ev(sut, transaction_id, evse)
    return transaction_id


@case("TC_E_17_CS", settings=settings("Authorized", "true", "false"))
def tc_e_17(sut: StationUnderTest) -> None:
    """Stop point Authorized and StopTxOnEVSideDisconnect: unplugging ends the transaction; the card gives the cable
    back.
    """
    paused(sut)
    sut.unplug_ev()
    event(sut, "Ended", trigger="EVCommunicationLost", state="Idle", reason="EVDisconnected")
    sut.present(VALID)
    unplugged(sut)


@case("TC_E_20_CS", settings=settings("EVConnected", "false"))
def tc_e_20(sut: StationUnderTest) -> None:
    """Stop point EVConnected: unplugging at the vehicle ends the transaction."""
    paused(sut)
    sut.unplug_ev()
    event(sut, "Ended", trigger="EVCommunicationLost", state="Idle", reason="EVDisconnected")


@case("TC_E_37_CS", settings=settings("PowerPathClosed", "false"))
def tc_e_37(sut: StationUnderTest) -> None:
    """Stop point PowerPathClosed: unplugging at the vehicle ends the transaction."""
    paused(sut)
    sut.unplug_ev()
    event(sut, "Ended", trigger="EVCommunicationLost", state="Idle", reason={"EVDisconnected", "StoppedByEV"})


@case("TC_E_24_CS", settings=settings("Authorized", "true", "true"))
def tc_e_24(sut: StationUnderTest) -> None:
    """Unplugging at the vehicle ends the authorization, and the charger lets go of the cable."""
    transaction_id = paused(sut)
    sut.unplug_ev()
    event(sut, {"Updated", "Ended"}, trigger="EVCommunicationLost", state="Idle", transaction_id=transaction_id)
    unplugged(sut)


@case("TC_E_25_CS", settings=settings("Authorized", "true", "false"))
def tc_e_25(sut: StationUnderTest) -> None:
    """Unplugging at the vehicle ends the authorization, and the charger keeps the cable until the card is shown."""
    transaction_id = paused(sut)
    sut.unplug_ev()
    event(sut, {"Updated", "Ended"}, trigger="EVCommunicationLost", state="Idle", transaction_id=transaction_id)
    sut.present(VALID)
    unplugged(sut)


@case("TC_E_26_CS", settings=settings("Authorized", "false", "false", EVConnectionTimeOut="20"))
def tc_e_26(sut: StationUnderTest) -> None:
    """Unplugging at the vehicle only suspends: plugged in again, the transaction goes on."""
    transaction_id = paused(sut)
    sut.unplug_ev()
    event(sut, "Updated", trigger="EVCommunicationLost", state="Idle", transaction_id=transaction_id)
    sut.plug_in()
    event(sut, "Updated", trigger="CablePluggedIn", state="EVConnected", transaction_id=transaction_id)
    sut.ev_ready()
    event(sut, "Updated", trigger="ChargingStateChanged", state="Charging", transaction_id=transaction_id)


@case("TC_E_27_CS", settings=settings("Authorized", "false", "false", EVConnectionTimeOut="4"), evses=2)
def tc_e_27(sut: StationUnderTest) -> None:
    """With a fixed cable the connector is free once the vehicle is unplugged, and the transaction ends when none comes
    in time.
    """
    evse = sut.evses
    transaction_id = paused(sut, evse)
    unplugged(sut, evse)
    event(sut, "Updated", trigger="EVCommunicationLost", state="Idle", transaction_id=transaction_id)
    event(sut, "Ended", trigger="EVConnectTimeout", reason="Timeout", transaction_id=transaction_id)
    connected(sut, evse)
    sut.expect_nothing("TransactionEvent", for_s=1.0)
