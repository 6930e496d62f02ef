"""Block C: tokens shown while the CSMS is out of reach, and what it says to them afterwards (C12, C13, C15)."""

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import booted, cached, connected, event, local_list, unplugged

OFFLINE = {
    "AuthCtrlr.LocalPreAuthorize": "true",
    "AuthCtrlr.LocalAuthorizeOffline": "true",
    "OCPPCommCtrlr.OfflineThreshold": "60",
}
UNKNOWN = OFFLINE | {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
ONLY_KNOWN = OFFLINE | {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "false"}


def invalid(told: Payload) -> Payload:
    """The CSMS does not want the token of this event."""
    return {"idTokenInfo": {"status": "Invalid"}} if "idToken" in told else {}


def card_without_csms(sut: StationUnderTest, for_s: float) -> None:
    """A vehicle is plugged in, the CSMS goes away, and a card is shown; it is still away when this ends."""
    connected(sut)
    sut.go_offline()
    sut.present(VALID)
    sut.ev_ready()
    sut.wait(for_s)


def started_offline(sut: StationUnderTest, for_s: float = 6.0) -> None:
    """A known card begins a charge without the CSMS, which hears of it later and calls the card Invalid."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    local_list(sut, {VALID: {"status": "Accepted"}})
    card_without_csms(sut, for_s)
    sut.answer("TransactionEvent", invalid)
    sut.go_online()
    event(sut, {"Started", "Updated"}, token=VALID, offline=True)


@case("TC_C_15_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "10000"})
def tc_c_15(sut: StationUnderTest) -> None:
    """Refused afterwards, with energy allowed to a token that is: it goes on charging."""
    started_offline(sut)
    event(sut, {"Started", "Updated"}, state="Charging", offline=True)
    sut.expect_nothing("TransactionEvent", {"triggerReason": "Deauthorized"}, for_s=3.0)
    sut.expect_nothing("TransactionEvent", {"transactionInfo.chargingState": "SuspendedEVSE"}, for_s=0.0)


@case("TC_C_16_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "true", "TxCtrlr.MaxEnergyOnInvalidId": "0"})
def tc_c_16(sut: StationUnderTest) -> None:
    """Refused afterwards, and StopTxOnInvalidId: the charge stops, deauthorized."""
    started_offline(sut)
    event(sut, {"Updated", "Ended"}, trigger="Deauthorized")


@case("TC_C_17_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "0"})
def tc_c_17(sut: StationUnderTest) -> None:
    """Refused afterwards, without StopTxOnInvalidId: no energy any more, and the transaction goes on."""
    started_offline(sut)
    event(sut, "Updated", trigger="ChargingStateChanged", state="SuspendedEVSE")
    sut.expect_nothing("TransactionEvent", {"eventType": "Ended"})


@case("TC_C_18_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "true", "TxCtrlr.MaxEnergyOnInvalidId": "500"})
def tc_c_18(sut: StationUnderTest) -> None:
    """Refused afterwards: StopTxOnInvalidId counts for more than an allowance of energy."""
    started_offline(sut)
    event(sut, {"Updated", "Ended"}, trigger="Deauthorized")


def refused_offline(sut: StationUnderTest, info: Payload) -> None:
    """The list says this of the card that is shown: nothing starts, then or when the CSMS comes back."""
    local_list(sut, {VALID: info})
    card_without_csms(sut, 2.0)
    sut.go_online()
    sut.expect_nothing("TransactionEvent")


def charges_offline(sut: StationUnderTest) -> None:
    """A vehicle, a card and energy while the CSMS is out of reach, which it still is."""
    sut.go_offline()
    sut.plug_in()
    sut.wait(1.0)
    sut.present(VALID)
    sut.ev_ready()
    sut.wait(6.0)


@case("TC_C_21_CS", settings=ONLY_KNOWN)
def tc_c_21(sut: StationUnderTest) -> None:
    """A card that the list accepts charges, and stops, and all of it is told afterwards."""
    booted(sut)
    local_list(sut, {VALID: {"status": "Accepted"}})
    charges_offline(sut)
    sut.present(VALID)
    sut.plug_out()
    sut.go_online()
    event(sut, {"Started", "Updated"}, trigger="Authorized", token=VALID, offline=True)
    event(sut, {"Started", "Updated"}, state="Charging", offline=True)
    event(sut, {"Updated", "Ended"}, trigger="StopAuthorized", token=VALID, offline=True)


@case("TC_C_22_CS", settings=ONLY_KNOWN)
def tc_c_22(sut: StationUnderTest) -> None:
    """A card that is Invalid on the list does not charge."""
    booted(sut)
    refused_offline(sut, {"status": "Invalid"})


@case("TC_C_23_CS", settings=ONLY_KNOWN)
def tc_c_23(sut: StationUnderTest) -> None:
    """A card that is Blocked on the list does not charge."""
    booted(sut)
    refused_offline(sut, {"status": "Blocked"})


@case("TC_C_24_CS", settings=ONLY_KNOWN)
def tc_c_24(sut: StationUnderTest) -> None:
    """A card that is Expired on the list does not charge."""
    booted(sut)
    refused_offline(sut, {"status": "Expired"})


@case("TC_C_25_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "false"})
def tc_c_25(sut: StationUnderTest) -> None:
    """The list counts for more than the cache: a card that it refuses does not charge, nor as an unknown one."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    refused_offline(sut, {"status": "Invalid"})


@case("TC_C_26_CS", settings=UNKNOWN | {"TxCtrlr.StopTxOnInvalidId": "false", "TxCtrlr.MaxEnergyOnInvalidId": "0"})
def tc_c_26(sut: StationUnderTest) -> None:
    """A card that nobody knows charges where unknown ones may, until the CSMS refuses it; it can still end it."""
    booted(sut)
    charges_offline(sut)
    sut.answer("TransactionEvent", invalid)
    sut.go_online()
    event(sut, {"Started", "Updated"}, trigger="Authorized", token=VALID, offline=True)
    event(sut, {"Started", "Updated"}, state="Charging", offline=True)
    event(sut, "Updated", state="SuspendedEVSE")
    sut.present(VALID)
    event(sut, {"Updated", "Ended"}, trigger="StopAuthorized", token=VALID)
    unplugged(sut)
