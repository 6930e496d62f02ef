"""Block C: the local list while the CSMS can be asked (C09, C14)."""

from chargerd.conformance.case import case
from chargerd.conformance.cases.block_c_cache import (
    LOCALLY,
    LOCALLY_BEFORE_PLUG,
    asked_about,
    ends_for_the_group,
    goes_on_for_the_group,
    refused_unasked,
    starts_unasked_before_plug,
)
from chargerd.conformance.cases.block_c_refused import in_group
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import booted, local_list


def listed_as(sut: StationUnderTest, status: str, now: str) -> None:
    """A card that the list knows as `status` is asked about; the CSMS says `now`."""
    booted(sut)
    local_list(sut, {VALID: {"status": status}})
    asked_about(sut, now)


@case("TC_C_27_CS", settings=LOCALLY_BEFORE_PLUG)
def tc_c_27(sut: StationUnderTest) -> None:
    """A card that the list accepts starts a charge without the CSMS being asked."""
    booted(sut)
    local_list(sut, {VALID: {"status": "Accepted"}})
    starts_unasked_before_plug(sut)


@case("TC_C_28_CS", settings=LOCALLY)
def tc_c_28(sut: StationUnderTest) -> None:
    """A card on the list as Invalid is asked about, and stays refused."""
    listed_as(sut, "Invalid", "Invalid")


@case("TC_C_29_CS", settings=LOCALLY)
def tc_c_29(sut: StationUnderTest) -> None:
    """A card on the list as Blocked is asked about, and stays refused."""
    listed_as(sut, "Blocked", "Blocked")


@case("TC_C_30_CS", settings=LOCALLY)
def tc_c_30(sut: StationUnderTest) -> None:
    """A card on the list as Expired is asked about, and stays refused."""
    listed_as(sut, "Expired", "Expired")


@case("TC_C_31_CS", settings=LOCALLY)
def tc_c_31(sut: StationUnderTest) -> None:
    """A card on the list as Invalid is asked about, and charges when it is accepted now."""
    listed_as(sut, "Invalid", "Accepted")


@case("TC_C_40_CS", settings=LOCALLY)
def tc_c_40(sut: StationUnderTest) -> None:
    """A second card that the list knows as of the same group ends the charge."""
    booted(sut)
    local_list(sut, {VALID: in_group(), OTHER: in_group()})
    ends_for_the_group(sut)


@case("TC_C_43_CS", settings=LOCALLY)
def tc_c_43(sut: StationUnderTest) -> None:
    """A second card of the same group that is Invalid on the list, and at the CSMS too, ends nothing."""
    booted(sut)
    local_list(sut, {VALID: in_group(), OTHER: in_group("Invalid")})
    goes_on_for_the_group(sut)


@case("TC_C_58_CS", settings=LOCALLY | {"LocalAuthListCtrlr.DisablePostAuthorize": "true"})
def tc_c_58(sut: StationUnderTest) -> None:
    """With DisablePostAuthorize a card that the list does not accept is refused, and nobody is asked."""
    booted(sut)
    local_list(sut, {VALID: {"status": "Invalid"}})
    refused_unasked(sut)
