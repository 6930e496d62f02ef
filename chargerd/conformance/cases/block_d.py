"""Block D: the local authorization list."""

from chargerd.conformance.case import case
from chargerd.conformance.cases.block_c_cache import LOCALLY, starts_unasked
from chargerd.conformance.peer import Payload
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import authorized, booted, connected, local_list, rebooted

ACCEPTED: Payload = {"status": "Accepted"}


def version_is(sut: StationUnderTest, number: int) -> None:
    """The station tells this version of its list."""
    sut.call_gives("GetLocalListVersion", {}, {"versionNumber": number})


@case("TC_D_01_CS", settings=LOCALLY)
def tc_d_01(sut: StationUnderTest) -> None:
    """A full list takes the place of the one before."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 1)
    local_list(sut, {OTHER: ACCEPTED}, 2)
    version_is(sut, 2)
    connected(sut)
    sut.answer("Authorize", {"idTokenInfo": {"status": "Invalid"}})
    authorized(sut, VALID)
    sut.present(OTHER)
    sut.expect("TransactionEvent", {"idToken.idToken": OTHER})


@case("TC_D_02_CS", settings=LOCALLY)
def tc_d_02(sut: StationUnderTest) -> None:
    """A differential list adds what is new and changes what was there."""
    booted(sut)
    local_list(sut, {OTHER: ACCEPTED}, 1)
    local_list(sut, {VALID: ACCEPTED, OTHER: {"status": "Blocked"}}, 2, updateType="Differential")
    version_is(sut, 2)
    starts_unasked(sut)


@case("TC_D_03_CS", settings=LOCALLY)
def tc_d_03(sut: StationUnderTest) -> None:
    """A card without idTokenInfo in a differential list is taken off the list."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED, OTHER: ACCEPTED}, 1)
    local_list(sut, {VALID: None}, 2, updateType="Differential")
    version_is(sut, 2)
    connected(sut)
    authorized(sut, VALID)


@case("TC_D_04_CS", settings=LOCALLY)
def tc_d_04(sut: StationUnderTest) -> None:
    """A full list without cards empties the list, which keeps its version."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 1)
    local_list(sut, {}, 2)
    version_is(sut, 2)
    connected(sut)
    authorized(sut, VALID)


@case("TC_D_05_CS", settings=LOCALLY)
def tc_d_05(sut: StationUnderTest) -> None:
    """A differential list without cards changes the version only."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 1)
    local_list(sut, {}, 2, updateType="Differential")
    version_is(sut, 2)
    starts_unasked(sut)


@case("TC_D_06_CS")
def tc_d_06(sut: StationUnderTest) -> None:
    """A differential list that is not newer than the one there is a VersionMismatch and changes nothing."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 4)
    card = {"idToken": {"idToken": OTHER, "type": "ISO14443"}, "idTokenInfo": ACCEPTED}
    request = {"versionNumber": 3, "updateType": "Differential", "localAuthorizationList": [card]}
    sut.call_gives("SendLocalList", request, {"status": "VersionMismatch"})
    version_is(sut, 4)


@case("TC_D_07_CS", settings=LOCALLY)
def tc_d_07(sut: StationUnderTest) -> None:
    """The list is still there after a reset."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 3)
    rebooted(sut)
    version_is(sut, 3)
    starts_unasked(sut)


@case("TC_D_08_CS")
def tc_d_08(sut: StationUnderTest) -> None:
    """The version of the list is told."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 7)
    version_is(sut, 7)


@case("TC_D_10_CS")
def tc_d_10(sut: StationUnderTest) -> None:
    """A list that is switched off has version 0, whatever it holds."""
    booted(sut)
    local_list(sut, {VALID: ACCEPTED}, 3)
    sut.set_variable("LocalAuthListCtrlr", "Enabled", "false")
    version_is(sut, 0)
