"""Block E: how transactions start."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import (
    CONNECTED,
    PLUGGED_IN,
    authorized,
    authorized_remotely,
    booted,
    charging,
    connected,
    energy_starts,
    event,
)

AT_THE_PLUG: dict[str, Any] = {"evse.id": 1, "evse.connectorId": 1}
BY_CARD: dict[str, Any] = {"idToken.idToken": VALID, "idToken.type": "ISO14443"}
ASKED_EACH_TIME = {"AuthCacheCtrlr.Enabled": "false", "AuthCtrlr.LocalPreAuthorize": "false"}


@case("TC_E_01_CS", settings={"TxCtrlr.TxStartPoint": "PowerPathClosed"})
def tc_e_01(sut: StationUnderTest) -> None:
    """Start point PowerPathClosed: the card alone starts nothing, card and vehicle together do."""
    booted(sut)
    authorized(sut)
    sut.expect_nothing("TransactionEvent", for_s=1.0)
    connected(sut)
    event(sut, "Started", trigger=PLUGGED_IN, state=CONNECTED, seqNo=0, **AT_THE_PLUG, **BY_CARD)


@case("TC_E_02_CS", settings={"TxCtrlr.TxStartPoint": "EnergyTransfer"})
def tc_e_02(sut: StationUnderTest) -> None:
    """Start point EnergyTransfer: the transaction begins with the energy."""
    booted(sut)
    authorized(sut)
    connected(sut)
    sut.expect_nothing("TransactionEvent", for_s=1.0)
    sut.ev_ready()
    flowing: dict[str, Any] = {"trigger": {"ChargingStateChanged", "Authorized"}, "state": "Charging"}
    event(sut, "Started", **flowing, **AT_THE_PLUG, **BY_CARD)


@case("TC_E_03_CS")
def tc_e_03(sut: StationUnderTest) -> None:
    """Cable first, then the card: energy flows, and the token is told once."""
    booted(sut)
    transaction_id = charging(sut)
    told = sut.heard("TransactionEvent", {"transactionInfo.transactionId": transaction_id})
    assert [each["idToken"]["idToken"] for each in told if "idToken" in each] == [VALID]
    assert [each["evse"] for each in told if "evse" in each] == [{"id": 1, "connectorId": 1}]


@case("TC_E_04_CS")
def tc_e_04(sut: StationUnderTest) -> None:
    """Card first, then the cable: energy flows."""
    booted(sut)
    authorized(sut)
    connected(sut)
    energy_starts(sut)


@case(
    "TC_E_05_CS",
    settings=ASKED_EACH_TIME | {"TxCtrlr.TxStartPoint": "Authorized", "TxCtrlr.EVConnectionTimeOut": "3"},
)
def tc_e_05(sut: StationUnderTest) -> None:
    """Card first and no vehicle comes: the authorization lapses after EVConnectionTimeOut, and with it the
    transaction; the next card charges.
    """
    booted(sut)
    authorized(sut)
    event(sut, "Started", trigger="Authorized", token=VALID)
    event(sut, "Ended", trigger="EVConnectTimeout", reason="Timeout")
    authorized(sut)
    event(sut, "Started", trigger="Authorized", token=VALID)
    connected(sut)
    energy_starts(sut)


@case("TC_E_09_CS", settings={"TxCtrlr.TxStartPoint": "EVConnected"})
def tc_e_09(sut: StationUnderTest) -> None:
    """Start point EVConnected: plugging in starts the transaction."""
    booted(sut)
    connected(sut)
    event(sut, "Started", trigger={"CablePluggedIn", "ChargingStateChanged"}, state="EVConnected", **AT_THE_PLUG)


@case("TC_E_10_CS", settings={"TxCtrlr.TxStartPoint": "Authorized"})
def tc_e_10(sut: StationUnderTest) -> None:
    """Start point Authorized: the card starts the transaction."""
    booted(sut)
    authorized(sut)
    event(sut, "Started", trigger="Authorized", **BY_CARD)


@case("TC_E_13_CS", settings={"TxCtrlr.TxStartPoint": "Authorized"})
def tc_e_13(sut: StationUnderTest) -> None:
    """Start point Authorized: a remote start does so too, and its id is told."""
    booted(sut)
    authorized_remotely(sut, remote_start_id=7)
    sut.expect("Authorize", BY_CARD)
    event(sut, "Started", trigger="RemoteStart", remote_start_id=7, **BY_CARD)


@case("TC_E_52_CS", settings={"TxCtrlr.TxStartPoint": "Authorized", "AuthCtrlr.DisableRemoteAuthorization": "true"})
def tc_e_52(sut: StationUnderTest) -> None:
    """DisableRemoteAuthorization: the CSMS is not asked about a card nobody here knows, and it starts nothing."""
    booted(sut)
    sut.present(VALID)
    sut.expect_nothing("Authorize", for_s=3.0)
    sut.expect_nothing("TransactionEvent", for_s=0.0)
