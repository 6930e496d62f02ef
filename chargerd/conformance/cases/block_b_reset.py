"""Block B: reset of the station and of one EVSE, with and without transactions."""

from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import (
    booted,
    boots,
    charging,
    event,
    reserved,
    status,
    stopped_locally,
    unavailable,
)


@case("TC_B_20_CS")
def tc_b_20(sut: StationUnderTest) -> None:
    """Reset OnIdle of an idle station: it restarts and tells every connector."""
    booted(sut)
    reset(sut, "OnIdle", "Accepted")
    boots(sut)


@case("TC_B_21_CS")
def tc_b_21(sut: StationUnderTest) -> None:
    """Reset OnIdle during a transaction: Scheduled; the station restarts after its normal end and says so."""
    booted(sut)
    charging(sut)
    reset(sut, "OnIdle", "Scheduled")
    sut.expect_nothing("BootNotification")
    stopped_locally(sut)
    boots(sut, "ScheduledReset", {1: "Occupied"})


@case("TC_B_22_CS")
def tc_b_22(sut: StationUnderTest) -> None:
    """Reset Immediate during a transaction: the station ends it itself, then restarts."""
    booted(sut)
    transaction_id = charging(sut)
    reset(sut, "Immediate", "Accepted")
    ended_by_reset(sut, transaction_id)
    boots(sut, "RemoteReset", {1: "Occupied"})


@case("TC_B_23_CS")
def tc_b_23(sut: StationUnderTest) -> None:
    """A connector that was out of service still is after a reset."""
    booted(sut)
    unavailable(sut, 1, connector=1)
    reset(sut, "OnIdle", "Accepted")
    boots(sut, "RemoteReset", {1: "Unavailable"})


@case("TC_B_24_CS")
def tc_b_24(sut: StationUnderTest) -> None:
    """An EVSE that was reserved still is after a reset."""
    booted(sut)
    reserved(sut)
    reset(sut, "OnIdle", "Accepted")
    boots(sut, "RemoteReset", {1: "Reserved"})


@case("TC_B_25_CS")
def tc_b_25(sut: StationUnderTest) -> None:
    """Reset of one idle EVSE: Accepted, and the station does not boot."""
    booted(sut)
    reset(sut, "OnIdle", "Accepted", evse=1)
    sut.expect_nothing("BootNotification", for_s=5.0)


@case("TC_B_26_CS")
def tc_b_26(sut: StationUnderTest) -> None:
    """Reset OnIdle of one EVSE waits for the end of its transaction."""
    booted(sut)
    charging(sut)
    reset(sut, "OnIdle", "Scheduled", evse=1)
    sut.expect_nothing("TransactionEvent", {"eventType": "Ended"})
    stopped_locally(sut)
    sut.plug_out()
    status(sut, "Available")
    sut.expect_nothing("BootNotification")


@case("TC_B_27_CS")
def tc_b_27(sut: StationUnderTest) -> None:
    """Reset Immediate of one EVSE ends its transaction, and not the one beside it."""
    booted(sut)
    transaction_id = charging(sut)
    reset(sut, "Immediate", "Accepted", evse=1)
    ended_by_reset(sut, transaction_id)
    sut.expect_nothing("BootNotification", for_s=5.0)


@case("TC_B_41_CS", evses=2)
def tc_b_41(sut: StationUnderTest) -> None:
    """Reset OnIdle during several transactions waits for the last of them."""
    booted(sut)
    charging(sut, VALID, 1)
    charging(sut, OTHER, 2)
    reset(sut, "OnIdle", "Scheduled")
    stopped_locally(sut, VALID, 1)
    sut.plug_out(1)
    sut.expect_nothing("BootNotification")
    stopped_locally(sut, OTHER, 2)
    boots(sut, "ScheduledReset", {2: "Occupied"})


def reset(sut: StationUnderTest, kind: str, answer: str, evse: int | None = None) -> None:
    """Ask for a reset; `answer` is wanted. What came before is of no interest any more."""
    sut.forget()
    sut.call_gives("Reset", {"type": kind} | ({} if evse is None else {"evseId": evse}), {"status": answer})


def ended_by_reset(sut: StationUnderTest, transaction_id: str) -> Payload:
    """The transaction ends, and nobody's token is in it."""
    return event(
        sut,
        "Ended",
        trigger="ResetCommand",
        reason="ImmediateReset",
        state="EVConnected",
        transaction_id=transaction_id,
        idToken=None,
    )
