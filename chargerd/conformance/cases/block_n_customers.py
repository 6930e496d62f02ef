"""Block N: what is known of a customer is told, and forgotten (N09, N10)."""

from chargerd.conformance.case import case
from chargerd.conformance.station import VALID, CaseFailed, StationUnderTest
from chargerd.conformance.steps import booted, cached, connected, local_list, told_of_customer

LOCALLY = {
    "AuthCtrlr.LocalPreAuthorize": "true",
    "LocalAuthListCtrlr.Enabled": "true",
    "AuthCacheCtrlr.Enabled": "true",
}


@case("TC_N_27_CS", settings=LOCALLY)
def tc_n_27(sut: StationUnderTest) -> None:
    """What is known of a card that charges is told."""
    authorized_locally(sut)
    told = told_of_customer(sut, 1, report=True)
    if not told:
        raise CaseFailed("nothing is told of a card that is known")


@case("TC_N_28_CS")
def tc_n_28(sut: StationUnderTest) -> None:
    """Of a card that was forgotten there is nothing to be told, and that is said in one message."""
    booted(sut)
    told_of_customer(sut, 1, clear=True)
    nothing_is_told(sut, 2)


@case("TC_N_30_CS", settings=LOCALLY)
def tc_n_30(sut: StationUnderTest) -> None:
    """What is known of a card is told and forgotten; afterwards there is less."""
    authorized_locally(sut)
    told = told_of_customer(sut, 1, report=True, clear=True)
    if not told:
        raise CaseFailed("nothing is told of a card that is known")
    after = told_of_customer(sut, 2, report=True)
    if len(after) >= len(told) or "cache" in after:
        raise CaseFailed(f"it was told {told!r}, and still is {after!r}")


@case("TC_N_31_CS")
def tc_n_31(sut: StationUnderTest) -> None:
    """Nothing is known of the card, so there is nothing to forget, and that is said in one message."""
    booted(sut)
    nothing_is_told(sut, 1, clear=True)


@case("TC_N_32_CS")
def tc_n_32(sut: StationUnderTest) -> None:
    """A card is forgotten without a report, and that is said in one message."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    said = told_of_customer(sut, 1, clear=True)
    if "leared" not in said:
        raise CaseFailed(f"that it is cleared is not said: {said!r}")
    nothing_is_told(sut, 2)


def authorized_locally(sut: StationUnderTest) -> None:
    """The card is in the cache and in the list, and charges."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    local_list(sut, {VALID: {"status": "Accepted"}})
    connected(sut)
    sut.present(VALID)
    sut.expect("TransactionEvent", {"triggerReason": "Authorized"})


def nothing_is_told(sut: StationUnderTest, request_id: int, *, clear: bool = False) -> None:
    """One message, and in it no fact."""
    said = told_of_customer(sut, request_id, report=True, clear=clear)
    if "No data" not in said:
        raise CaseFailed(f"nothing should be known, and it said {said!r}")
