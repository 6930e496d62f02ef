"""Block E: how transactions start."""

from chargerd.conformance.case import case
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import authorized, booted, charging, connected, event, stopped_locally, unplugged


@case("TC_E_03_CS")
def tc_e_03(sut: StationUnderTest) -> None:
    """Cable first, then the card: the transaction runs and energy flows; the same card ends it."""
    booted(sut)
    charging(sut)
    stopped_locally(sut)
    unplugged(sut)


@case("TC_E_05_CS", settings={"TxCtrlr.TxStartPoint": "Authorized", "TxCtrlr.EVConnectionTimeOut": "3"})
def tc_e_05(sut: StationUnderTest) -> None:
    """Card first and no vehicle comes: the authorization lapses after EVConnectionTimeOut, and with it the
    transaction.
    """
    booted(sut)
    authorized(sut)
    event(sut, "Started", trigger="Authorized", token=VALID)
    event(sut, "Ended", trigger="EVConnectTimeout", reason="Timeout")
    connected(sut)
    sut.expect_nothing("TransactionEvent")
