"""Block E: GetTransactionStatus (E14)."""

from typing import Any

from chargerd.conformance.case import case
from chargerd.conformance.peer import Late
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import booted, charging, event, stopped_locally, unplugged

READINGS = {"SampledDataCtrlr.TxUpdatedInterval": "2", "OCPPCommCtrlr.OfflineThreshold": "60"}
HOLDS_S = 2.0
"""So long the CSMS takes for the first message after an outage; what it asks meanwhile finds the others waiting."""


def told(sut: StationUnderTest, transaction_id: str | None, ongoing: bool | None, waiting: bool) -> None:
    """What the station says of a transaction, and of the messages it still has; None: of no transaction."""
    wanted: dict[str, Any] = {"ongoingIndicator": ongoing, "messagesInQueue": waiting}
    request = {} if transaction_id is None else {"transactionId": transaction_id}
    sut.call_gives("GetTransactionStatus", request, wanted)


def comes_back(sut: StationUnderTest) -> None:
    """The network is there again, and the CSMS slow at first."""
    sut.forget()
    sut.answer("TransactionEvent", Late({}, HOLDS_S), 1)
    sut.go_online()


def all_is_told(sut: StationUnderTest) -> None:
    """Nothing waits any more."""
    sut.until(lambda: not sut.call("GetTransactionStatus", {})["messagesInQueue"], "an empty queue")


@case("TC_E_28_CS")
def tc_e_28(sut: StationUnderTest) -> None:
    """A transaction nobody knows does not go on, and nothing of it waits."""
    booted(sut)
    told(sut, "there-never-was-one", ongoing=False, waiting=False)


@case("TC_E_29_CS", settings=READINGS)
def tc_e_29(sut: StationUnderTest) -> None:
    """A transaction that goes on, with readings from an outage that wait."""
    booted(sut)
    transaction_id = charging(sut)
    sut.go_offline()
    sut.wait(5.0)
    comes_back(sut)
    told(sut, transaction_id, ongoing=True, waiting=True)
    event(sut, "Updated", meterValue=..., offline=True)


@case("TC_E_30_CS")
def tc_e_30(sut: StationUnderTest) -> None:
    """A transaction that goes on, of which all is told."""
    booted(sut)
    transaction_id = charging(sut)
    all_is_told(sut)
    told(sut, transaction_id, ongoing=True, waiting=False)


@case("TC_E_31_CS", settings=READINGS)
def tc_e_31(sut: StationUnderTest) -> None:
    """A transaction that ended in an outage, and its messages wait."""
    booted(sut)
    transaction_id = charging(sut)
    sut.go_offline()
    sut.present(VALID)
    sut.plug_out()
    sut.wait(2.0)
    comes_back(sut)
    told(sut, transaction_id, ongoing=False, waiting=True)
    event(sut, "Ended", transaction_id=transaction_id, offline=True)


@case("TC_E_32_CS")
def tc_e_32(sut: StationUnderTest) -> None:
    """A transaction that has ended, of which all is told."""
    booted(sut)
    transaction_id = charging(sut)
    stopped_locally(sut)
    unplugged(sut)
    all_is_told(sut)
    told(sut, transaction_id, ongoing=False, waiting=False)


@case("TC_E_33_CS", settings=READINGS)
def tc_e_33(sut: StationUnderTest) -> None:
    """Without an id: messages wait, and nothing is said of a transaction."""
    booted(sut)
    charging(sut)
    sut.go_offline()
    sut.wait(5.0)
    comes_back(sut)
    told(sut, None, ongoing=None, waiting=True)
    event(sut, "Updated", meterValue=..., offline=True)


@case("TC_E_34_CS")
def tc_e_34(sut: StationUnderTest) -> None:
    """Without an id: no messages wait."""
    booted(sut)
    told(sut, None, ongoing=None, waiting=False)
