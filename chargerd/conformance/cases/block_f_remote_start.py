"""Block F: transactions started and stopped by the CSMS."""

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import VALID, StationUnderTest
from chargerd.conformance.steps import (
    authorized_remotely,
    booted,
    charging,
    connected,
    energy_starts,
    event,
    status,
    stopped_remotely,
)


@case(
    "TC_F_01_CS", settings={"TxCtrlr.TxStartPoint": "EVConnected,Authorized", "AuthCtrlr.AuthorizeRemoteStart": "true"}
)
def tc_f_01(sut: StationUnderTest) -> None:
    """Cable first, then a remote start: the card is checked, its transaction says that the CSMS wanted it, and energy
    flows.
    """
    booted(sut)
    connected(sut)
    authorized_remotely(sut, remote_start_id=11)
    sut.expect("Authorize", {"idToken.idToken": VALID})
    started = told_as_remote(sut, 11)
    assert energy_starts(sut) == started["transactionInfo"]["transactionId"]


@case("TC_F_02_CS", settings={"TxCtrlr.TxStartPoint": "Authorized", "AuthCtrlr.AuthorizeRemoteStart": "true"})
def tc_f_02(sut: StationUnderTest) -> None:
    """A remote start first, whose card is checked, then the cable: energy flows in the same transaction."""
    booted(sut)
    authorized_remotely(sut, remote_start_id=12)
    sut.expect("Authorize", {"idToken.idToken": VALID})
    then_the_cable(sut, 12)


@case("TC_F_03_CS", settings={"TxCtrlr.TxStartPoint": "Authorized", "AuthCtrlr.AuthorizeRemoteStart": "false"})
def tc_f_03(sut: StationUnderTest) -> None:
    """A remote start first, whose card is not checked, then the cable: energy flows in the same transaction."""
    booted(sut)
    authorized_remotely(sut, remote_start_id=13)
    then_the_cable(sut, 13)
    sut.expect_nothing("Authorize")


@case("TC_F_04_CS", settings={"TxCtrlr.TxStartPoint": "Authorized", "TxCtrlr.EVConnectionTimeOut": "3"})
def tc_f_04(sut: StationUnderTest) -> None:
    """A remote start to which no vehicle comes ends after EVConnectionTimeOut, and the EVSE takes the next one."""
    booted(sut)
    authorized_remotely(sut, remote_start_id=14)
    told_as_remote(sut, 14)
    event(sut, "Ended", trigger="EVConnectTimeout", reason="Timeout")
    authorized_remotely(sut, remote_start_id=15)
    told_as_remote(sut, 15)


@case("TC_F_08_CS", settings={"TxCtrlr.TxStopPoint": "EVConnected,Authorized"})
def tc_f_08(sut: StationUnderTest) -> None:
    """A remote stop ends the charge."""
    booted(sut)
    last = stopped_remotely(sut, charging(sut))
    if last["eventType"] != "Ended":
        last = event(sut, "Ended")
    assert last["transactionInfo"]["stoppedReason"] == "Remote"


@case("TC_F_09_CS")
def tc_f_09(sut: StationUnderTest) -> None:
    """A remote stop of a transaction that does not run is rejected, and the one that runs goes on."""
    booted(sut)
    charging(sut)
    sut.call_gives("RequestStopTransaction", {"transactionId": "another"}, {"status": "Rejected"})
    sut.expect_nothing("TransactionEvent", {"eventType": "Ended"})


def told_as_remote(sut: StationUnderTest, remote_start_id: int) -> Payload:
    """The event that tells of the remote start: why, which one, and whose."""
    return event(sut, {"Started", "Updated"}, trigger="RemoteStart", remote_start_id=remote_start_id, token=VALID)


def then_the_cable(sut: StationUnderTest, remote_start_id: int) -> None:
    """The cable comes in time for the remote start, and the vehicle gets energy in its transaction."""
    transaction_id = told_as_remote(sut, remote_start_id)["transactionInfo"]["transactionId"]
    sut.plug_in()
    status(sut, "Occupied")
    event(sut, "Updated", trigger="CablePluggedIn", state="EVConnected", transaction_id=transaction_id)
    assert energy_starts(sut) == transaction_id
