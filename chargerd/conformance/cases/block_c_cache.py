"""Block C: the authorization cache while the CSMS can be asked (C10, C11, C12)."""

from chargerd.conformance.case import case
from chargerd.conformance.cases.block_c_refused import in_group
from chargerd.conformance.station import OTHER, VALID, StationUnderTest
from chargerd.conformance.steps import (
    authorized,
    booted,
    cached,
    cleared_cache,
    connected,
    energy_starts,
    event,
    rebooted,
    stopped_locally,
    unplugged,
)

LOCALLY = {"AuthCtrlr.LocalPreAuthorize": "true"}
LOCALLY_BEFORE_PLUG = LOCALLY | {"TxCtrlr.TxStartPoint": "Authorized"}


def starts_unasked(sut: StationUnderTest, uid: str = VALID) -> None:
    """Connected and a card: the transaction starts, and the CSMS was not asked."""
    connected(sut)
    sut.present(uid)
    told_of(sut, uid)
    sut.expect_nothing("Authorize", for_s=1.0)


def told_of(sut: StationUnderTest, uid: str = VALID) -> None:
    """The event that tells of an authorization, with the card that it was."""
    event(sut, {"Started", "Updated"}, trigger="Authorized", token=uid, id_type="ISO14443")


def starts_unasked_before_plug(sut: StationUnderTest) -> None:
    """A card and then a vehicle: no energy before there is one, and no question to the CSMS."""
    sut.present(VALID)
    told_of(sut)
    sut.expect_nothing("TransactionEvent", {"transactionInfo.chargingState": "Charging"}, for_s=1.0)
    connected(sut)
    energy_starts(sut)
    sut.expect_nothing("Authorize", for_s=0.0)


def asked_about(sut: StationUnderTest, now: str, uid: str = VALID) -> None:
    """A card that is known as refused is asked about, the CSMS says `now`, and that counts."""
    connected(sut)
    sut.answer("Authorize", {"idTokenInfo": {"status": now}})
    sut.ev_ready()
    authorized(sut, uid)
    if now == "Accepted":
        told_of(sut, uid)
        energy_starts(sut)
    else:
        sut.expect_nothing("TransactionEvent", for_s=2.0)


@case("TC_C_08_CS", settings=LOCALLY)
def tc_c_08(sut: StationUnderTest) -> None:
    """A card that the cache accepts starts a charge without the CSMS being asked."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    starts_unasked(sut)
    energy_starts(sut)


@case("TC_C_09_CS", settings=LOCALLY)
def tc_c_09(sut: StationUnderTest) -> None:
    """A card that is cached as Invalid is asked about again, and stays refused."""
    booted(sut)
    cached(sut, {"status": "Invalid"})
    asked_about(sut, "Invalid")


@case("TC_C_10_CS", settings=LOCALLY)
def tc_c_10(sut: StationUnderTest) -> None:
    """A card that is cached as Blocked is asked about again, and stays refused."""
    booted(sut)
    cached(sut, {"status": "Blocked"})
    asked_about(sut, "Blocked")


@case("TC_C_11_CS", settings=LOCALLY)
def tc_c_11(sut: StationUnderTest) -> None:
    """A card that is cached as Expired is asked about again, and stays refused."""
    booted(sut)
    cached(sut, {"status": "Expired"})
    asked_about(sut, "Expired")


@case("TC_C_12_CS", settings=LOCALLY)
def tc_c_12(sut: StationUnderTest) -> None:
    """A card that is cached as Invalid is asked about again, and charges when it is accepted now."""
    booted(sut)
    cached(sut, {"status": "Invalid"})
    asked_about(sut, "Accepted")


@case("TC_C_13_CS", settings=LOCALLY_BEFORE_PLUG)
def tc_c_13(sut: StationUnderTest) -> None:
    """A cached card first and the cable then: no energy before there is a vehicle, and no question to the CSMS."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    starts_unasked_before_plug(sut)


@case("TC_C_32_CS", settings=LOCALLY_BEFORE_PLUG)
def tc_c_32(sut: StationUnderTest) -> None:
    """The cache is still there after a reset."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    rebooted(sut)
    starts_unasked_before_plug(sut)


@case("TC_C_33_CS", settings=LOCALLY)
def tc_c_33(sut: StationUnderTest) -> None:
    """An answer to Authorize is remembered: the second time nobody is asked."""
    booted(sut)
    connected(sut)
    authorized(sut)
    told_of(sut)
    energy_starts(sut)
    stopped_locally(sut)
    unplugged(sut)
    starts_unasked(sut)


@case("TC_C_34_CS", settings=LOCALLY | {"TxCtrlr.StopTxOnInvalidId": "true"})
def tc_c_34(sut: StationUnderTest) -> None:
    """What the CSMS says to a TransactionEvent replaces what the cache held: the card is asked about from then on."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    connected(sut)
    sut.answer("TransactionEvent", lambda told: {"idTokenInfo": {"status": "Invalid"}} if "idToken" in told else {})
    sut.present(VALID)
    told_of(sut)
    unplugged(sut)
    sut.forget()
    asked_about(sut, "Invalid")


@case("TC_C_36_CS", settings={"AuthCtrlr.LocalPreAuthorize": "false"})
def tc_c_36(sut: StationUnderTest) -> None:
    """Without LocalPreAuthorize a cached card is asked about all the same."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    connected(sut)
    sut.answer("Authorize", {"idTokenInfo": {"status": "Invalid"}})
    authorized(sut)
    sut.expect_nothing("TransactionEvent", for_s=2.0)


@case("TC_C_37_CS", settings=LOCALLY)
def tc_c_37(sut: StationUnderTest) -> None:
    """After ClearCache the card is asked about again."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    cleared_cache(sut)
    connected(sut)
    authorized(sut)
    told_of(sut)
    energy_starts(sut)


@case("TC_C_38_CS")
def tc_c_38(sut: StationUnderTest) -> None:
    """ClearCache is Rejected while the cache is switched off."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    sut.set_variable("AuthCacheCtrlr", "Enabled", "false")
    sut.call_gives("ClearCache", {}, {"status": "Rejected"})


@case("TC_C_41_CS", settings=LOCALLY)
def tc_c_41(sut: StationUnderTest) -> None:
    """A second card that the cache knows as of the same group ends the charge."""
    booted(sut)
    cached(sut, in_group(), VALID)
    cached(sut, in_group(), OTHER)
    ends_for_the_group(sut)


@case("TC_C_44_CS", settings=LOCALLY)
def tc_c_44(sut: StationUnderTest) -> None:
    """A second card of the same group that the cache knows as Invalid, and the CSMS too, ends nothing."""
    booted(sut)
    cached(sut, in_group(), VALID)
    cached(sut, in_group("Invalid"), OTHER)
    goes_on_for_the_group(sut)


def charges_unasked_in_group(sut: StationUnderTest) -> str:
    """A card that the station knows as of the group begins a charge; the id of the transaction."""
    sut.answer("TransactionEvent", lambda told: {"idTokenInfo": in_group()} if "idToken" in told else {})
    starts_unasked(sut)
    return energy_starts(sut)


def ends_for_the_group(sut: StationUnderTest) -> None:
    """A card of the group begins a charge, another one ends it; the station knows both, and nobody is asked."""
    transaction_id = charges_unasked_in_group(sut)
    sut.present(OTHER)
    event(sut, {"Updated", "Ended"}, trigger="StopAuthorized", token=OTHER, transaction_id=transaction_id)
    unplugged(sut)
    sut.expect_nothing("Authorize", for_s=0.0)


def goes_on_for_the_group(sut: StationUnderTest) -> None:
    """A card of the group begins a charge; another one, known as Invalid here and at the CSMS, ends nothing."""
    charges_unasked_in_group(sut)
    sut.answer("Authorize", {"idTokenInfo": in_group("Invalid")})
    authorized(sut, OTHER)
    sut.expect_nothing("TransactionEvent", {"triggerReason": "StopAuthorized"}, for_s=3.0)
    sut.expect_nothing("TransactionEvent", {"eventType": "Ended"}, for_s=0.0)


@case("TC_C_46_CS", settings=LOCALLY | {"AuthCacheCtrlr.LifeTime": "4"})
def tc_c_46(sut: StationUnderTest) -> None:
    """A cached card is asked about again when its LifeTime is over."""
    booted(sut)
    cached(sut, {"status": "Accepted"})
    sut.wait(5.0)
    connected(sut)
    authorized(sut)


@case("TC_C_57_CS", settings=LOCALLY | {"AuthCacheCtrlr.DisablePostAuthorize": "true"})
def tc_c_57(sut: StationUnderTest) -> None:
    """With DisablePostAuthorize a card that is cached as Invalid is refused, and nobody is asked."""
    booted(sut)
    cached(sut, {"status": "Invalid"})
    refused_unasked(sut)


def refused_unasked(sut: StationUnderTest) -> None:
    """A card that is known as refused gets no energy, and the CSMS is not asked about it."""
    connected(sut)
    sut.ev_ready()
    sut.present(VALID)
    sut.expect_nothing("Authorize", for_s=2.0)
    sut.expect_nothing("TransactionEvent", for_s=0.0)
