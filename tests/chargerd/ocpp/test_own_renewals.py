import itertools
from datetime import timedelta

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.messages.enums import CertificateSignedStatus
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.own_renewals import DAY, MONTH, Lifetime
from tests.chargerd.ocpp.renewing import DAYS, SECC_ID, Stand
from tests.chargerd.pki import NOON

DAY_S = 86_400.0
QUICK = {"SecurityCtrlr.CertSigningWaitMinimum": "10", "SecurityCtrlr.CertSigningRepeatTimes": "1"}
A_YEAR = timedelta(days=365)


def expiring(in_: timedelta, lifetime: timedelta = A_YEAR, **changes: object) -> Stand:
    """On line, with a certificate that expires after `in_`."""
    return offline(in_, lifetime, **changes).online()


def offline(in_: timedelta, lifetime: timedelta = A_YEAR, **changes: object) -> Stand:
    options = {"overrides": QUICK} | changes
    return Stand(until=NOON + in_, since=NOON + in_ - lifetime, **options)  # type: ignore[arg-type]


# ---- When ----------------------------------------------------------------------------------------------------------


def test_A03_FR_02_a_certificate_that_expires_within_a_month_is_renewed_with_a_new_key() -> None:
    stand = expiring(MONTH - timedelta(minutes=1))
    assert len(stand.keys.made) == 1
    assert len(stand.asked) == 1


def test_A03_FR_02_one_that_expires_later_is_not() -> None:
    stand = expiring(MONTH + timedelta(days=2))
    stand.wait(1.9 * DAY_S)
    assert stand.asked == []
    stand.wait(0.2 * DAY_S)
    assert stand.asked


def test_A03_FR_03_A03_FR_13_the_request_is_a_CSR_and_says_which_certificate_it_is_for() -> None:
    (request,) = expiring(MONTH - DAY).asked
    assert request["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert request["certificateType"] == "ChargingStationCertificate"


def test_stations_of_one_day_begin_spread_over_a_day() -> None:
    begun = []
    for tenth in range(10):
        stand = expiring(MONTH + timedelta(hours=1), random=tenth / 10)
        hours = 0
        while not stand.asked:
            stand.wait(3600.0)
            hours += 1
        begun.append(hours)
    assert begun == sorted(begun)
    assert begun[0] <= 2
    assert 21 <= begun[-1] <= 25
    assert max(later - sooner for sooner, later in itertools.pairwise(begun)) <= 4


def test_a_certificate_of_a_few_weeks_is_renewed_in_its_second_half() -> None:
    life = Lifetime(NOON, NOON + 14 * DAYS)
    assert not life.is_ending(NOON + 6.9 * DAYS)
    assert life.is_ending(NOON + 7 * DAYS)
    assert Lifetime(NOON, NOON + 6 * MONTH).is_ending(NOON + 5 * MONTH)
    assert not Lifetime(NOON, NOON + 6 * MONTH).is_ending(NOON + 5 * MONTH - timedelta(seconds=1))


def test_a_certificate_of_a_few_weeks_is_not_renewed_again_and_again() -> None:
    stand = expiring(7 * DAYS, 14 * DAYS)
    assert stand.sent(stand.signed(since=NOON, until=NOON + 14 * DAYS)).status is CertificateSignedStatus.ACCEPTED
    stand.offline()
    stand.online()
    stand.wait(6.9 * DAY_S)
    assert len(stand.asked) == 1
    stand.wait(DAY_S)
    assert len(stand.asked) > 1


def test_A00_FR_430_an_expired_certificate_is_renewed_as_soon_as_the_CSMS_lets_the_station_in() -> None:
    stand = offline(-3 * DAYS, random=0.99)
    stand.wait(10.0)
    assert stand.asked == []
    stand.online()
    assert len(stand.asked) == 1


def test_a_station_that_the_CSMS_has_not_accepted_does_not_begin_by_itself() -> None:
    stand = offline(DAY).pending()
    stand.wait(DAY_S)
    assert stand.asked == []


def test_without_a_certificate_there_is_nothing_to_renew() -> None:
    stand = Stand(until=None, profile=1).online()
    stand.wait(2 * DAY_S)
    assert stand.asked == []


def test_with_a_clock_that_may_be_wrong_the_station_waits() -> None:
    stand = expiring(DAY, clock=ManualClock(utc=NOON, synced=False))
    stand.wait(0.5 * DAY_S)
    assert stand.asked == []
    stand.peer.clock.set_utc(NOON)
    stand.wait(3601.0)
    assert stand.asked


def test_a_clock_that_is_set_at_last_is_looked_at_at_once() -> None:
    stand = expiring(DAY, clock=ManualClock(utc=NOON, synced=False))
    stand.peer.clock.set_utc(NOON)
    stand.peer.step_clock(0.0)
    stand.wait(1.0)
    assert stand.asked


@pytest.mark.parametrize("step", [timedelta(days=-400), timedelta(days=20), timedelta(days=400)])
def test_a_clock_that_is_set_changes_when_and_not_whether(step: timedelta) -> None:
    stand = expiring(MONTH + timedelta(days=10))
    stand.peer.clock.set_utc(NOON + step)
    stand.wait(3601.0)
    assert bool(stand.asked) == (step > timedelta(0))
    stand.peer.clock.set_utc(NOON + timedelta(days=30))
    stand.wait(DAY_S + 3601.0)
    assert stand.asked


# ---- Again ---------------------------------------------------------------------------------------------------------


def test_A03_FR_17_A03_FR_18_A03_FR_19_within_a_day_it_is_repeated_as_any_other() -> None:
    stand = expiring(MONTH - DAY)
    stand.wait(0.9 * DAY_S)
    assert len(stand.asked) == 3


def test_a_renewal_that_comes_to_nothing_is_tried_once_a_day_with_a_new_key() -> None:
    stand = expiring(MONTH - DAY)
    stand.wait(5.5 * DAY_S)
    assert len(stand.keys.made) == 6
    assert len(stand.renewal.status()) == 4


def test_so_is_one_that_the_CSMS_rejects() -> None:
    stand = offline(MONTH - DAY)
    stand.answers = [{"status": "Rejected"}] * 3
    stand.online()
    stand.wait(2.5 * DAY_S)
    assert len(stand.asked) == 3
    assert stand.renewal.status() == ()


def test_a_trigger_of_the_CSMS_goes_before() -> None:
    stand = offline(MONTH - DAY)
    stand.peer.link_up()
    stand.peer.accept()
    assert stand.trigger()
    stand.wait(1.0)
    assert len(stand.asked) == 1


def test_A03_FR_08_the_renewed_certificate_ends_it() -> None:
    stand = expiring(MONTH - DAY)
    assert stand.sent(stand.signed(until=NOON + 300 * DAYS)).status is CertificateSignedStatus.ACCEPTED
    stand.wait(30 * DAY_S)
    assert len(stand.asked) == 1


def test_A03_FR_06_A03_FR_07_what_is_not_valid_is_refused_and_told() -> None:
    stand = expiring(MONTH - DAY)
    assert stand.sent(stand.signed(until=NOON - DAYS)).status is CertificateSignedStatus.REJECTED
    assert len(stand.invalid) == 1


def test_A03_FR_16_a_chain_that_is_too_long_is_refused() -> None:
    stand = expiring(MONTH - DAY, overrides={"SecurityCtrlr.MaxCertificateChainSize": "5600"})
    response = stand.sent(stand.signed() + "\n" * 5600)
    assert response.status is CertificateSignedStatus.REJECTED


def test_A03_FR_05_what_is_told_of_a_request_is_never_its_key() -> None:
    stand = expiring(MONTH - DAY)
    assert "PRIVATE" not in repr(stand.renewal.status()) + "".join(stand.peer.notes()) + repr(stand.asked)


def test_A03_FR_15_a_V2G_certificate_is_renewed_as_well_and_the_newest_used() -> None:
    stand = Stand(v2g=SECC_ID, overrides=QUICK).online()
    stand.trigger(Use.V2G_CERTIFICATE)
    soon = stand.v2g_signed(since=NOON - 300 * DAYS, until=NOON + 29 * DAYS)
    assert stand.sent(soon, Use.V2G_CERTIFICATE).status is CertificateSignedStatus.ACCEPTED
    stand.wait(3601.0)
    assert stand.asked[-1]["certificateType"] == "V2GCertificate"
    newer = stand.v2g_signed(since=NOON - DAYS)
    assert stand.sent(newer, Use.V2G_CERTIFICATE).status is CertificateSignedStatus.ACCEPTED
    chain = stand.book.v2g_chain()
    assert chain is not None
    assert chain.key_id == "key-1"


def test_a_certificate_that_cannot_be_renewed_is_noted_once_a_day() -> None:
    stand = expiring(MONTH - DAY, overrides={"SecurityCtrlr.OrganizationName": ""})
    stand.wait(1.5 * DAY_S)
    cannot = [note for note in stand.peer.notes() if "cannot be renewed; set SecurityCtrlr.OrganizationName" in note]
    assert len(cannot) == 2


# ---- Over restarts -------------------------------------------------------------------------------------------------


def test_a_restart_begins_no_second_renewal() -> None:
    stand = expiring(MONTH - DAY)
    stand.wait(0.5 * DAY_S)
    for _ in range(5):
        stand = stand.restarted().online()
    assert stand.asked == []
    stand.wait(0.6 * DAY_S)
    assert len(stand.asked) == 3


def test_a_restart_keeps_to_what_the_CSMS_has_to_begin() -> None:
    stand = expiring(MONTH - DAY)
    stand.sent(stand.signed(name="SN-2"))
    stand = stand.restarted().online()
    stand.wait(3 * DAY_S)
    assert stand.asked == []
    stand.trigger()
    assert stand.asked
