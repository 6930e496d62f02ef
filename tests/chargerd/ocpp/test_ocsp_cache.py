"""M06 through a whole station: the statuses of its V2G certificates are asked for, kept and renewed."""

import pytest

from chargerd.ocpp.events import TimeStepped
from chargerd.ocpp.ocsp_cache import NAMESPACE, REFRESH_AFTER, RETRY_S, is_base64
from chargerd.store import Store
from tests.chargerd.ocpp.building import Rig
from tests.chargerd.ocpp.vehicles import CPO_SUB, SECC, URL, install_v2g, rig
from tests.chargerd.pki import NOON, made

YES = {"status": "Accepted", "ocspResult": "QUFB"}
WEEK_S = 7 * 86_400.0


def station(*, store: Store | None = None, online: bool = True, first_id: int = 1) -> Rig:
    made_rig = rig(store=store, online=online, first_id=first_id)
    made_rig.csms.answers["GetCertificateStatus"] = YES
    return made_rig


def asked(rig: Rig) -> list[str]:
    """The serial numbers that the CSMS was asked about."""
    return [each["ocspRequestData"]["serialNumber"] for each in rig.sent("GetCertificateStatus")]


def leap(rig: Rig, seconds: float) -> None:
    """So much later the station is woken: a week of single seconds takes a minute."""
    rig.clock.advance(seconds)
    rig.advance(2.0)


def results(rig: Rig) -> tuple[str, ...]:
    return rig.station.vehicle_stack.report().v2g_ocsp


BOTH = sorted([SECC.read.serial_number, CPO_SUB.read.serial_number])


def test_M06_FR_06_the_status_of_leaf_and_sub_ca_is_asked_for_and_kept() -> None:
    store = Store(":memory:")
    rigged = station(store=store)
    install_v2g(rigged)
    rigged.advance(1.0)
    assert sorted(asked(rigged)) == BOTH
    assert rigged.sent("GetCertificateStatus")[0]["ocspRequestData"]["responderURL"] == URL
    assert results(rigged) == ("QUFB", "QUFB")
    again = station(store=store, first_id=1000)
    again.advance(1.0)
    assert (results(again), asked(again)) == (("QUFB", "QUFB"), [])


def test_M06_FR_07_after_a_renewal_the_new_certificate_and_its_sub_cas_are_asked_about() -> None:
    rigged = station()
    install_v2g(rigged)
    rigged.advance(1.0)
    new = made("SECC", CPO_SUB, since=NOON, ocsp_url=URL)
    install_v2g(rigged, new, "key-2")
    rigged.advance(1.0)
    assert sorted(asked(rigged)[2:]) == sorted([CPO_SUB.read.serial_number, new.read.serial_number])


def test_M06_FR_10_each_status_is_renewed_within_a_week() -> None:
    rigged = station()
    install_v2g(rigged)
    rigged.advance(1.0)
    leap(rigged, REFRESH_AFTER.total_seconds() - 5.0)
    assert len(asked(rigged)) == 2
    rigged.csms.answers["GetCertificateStatus"] = {"status": "Accepted", "ocspResult": "QkJC"}
    leap(rigged, WEEK_S - REFRESH_AFTER.total_seconds())
    assert sorted(asked(rigged)) == sorted(2 * BOTH)
    assert results(rigged) == ("QkJC", "QkJC")


def test_M06_FR_10_over_a_restart_the_week_goes_on() -> None:
    store = Store(":memory:")
    first = station(store=store)
    install_v2g(first)
    first.advance(1.0)
    again = station(store=store, first_id=1000)
    leap(again, REFRESH_AFTER.total_seconds())
    assert sorted(asked(again)) == BOTH


@pytest.mark.parametrize(
    "failure", [{"status": "Failed"}, {"status": "Accepted"}, {"status": "Accepted", "ocspResult": "no Base64!"}, None]
)
def test_M06_FR_04_what_could_not_be_had_is_asked_for_again_later_and_the_old_status_stays(
    failure: dict[str, str] | None,
) -> None:
    rigged = station()
    install_v2g(rigged)
    rigged.advance(1.0)
    rigged.csms.answers["GetCertificateStatus"] = failure
    leap(rigged, REFRESH_AFTER.total_seconds())
    rigged.advance(70.0)
    assert len(asked(rigged)) == 4
    assert results(rigged) == ("QUFB", "QUFB")
    rigged.csms.answers["GetCertificateStatus"] = {"status": "Accepted", "ocspResult": "QkJC"}
    leap(rigged, RETRY_S)
    assert (len(asked(rigged)), results(rigged)) == (6, ("QkJC", "QkJC"))


def test_offline_nobody_is_asked_and_with_the_link_the_question_comes() -> None:
    rigged = station(online=False)
    install_v2g(rigged)
    rigged.advance(10.0)
    assert asked(rigged) == []
    rigged.link_up()
    rigged.advance(10.0)
    assert sorted(asked(rigged)) == BOTH


def test_a_certificate_that_does_not_say_where_is_not_asked_about() -> None:
    rigged = station()
    install_v2g(rigged, made("SECC", CPO_SUB))
    rigged.advance(1.0)
    assert asked(rigged) == [CPO_SUB.read.serial_number]
    assert results(rigged) == ("", "QUFB")


def test_what_is_gone_is_forgotten() -> None:
    rigged = station()
    install_v2g(rigged)
    rigged.advance(1.0)
    chain = rigged.station.certificate_book.v2g_chain()
    assert chain is not None
    rigged.station.certificate_book.remove(chain)
    rigged.status()
    assert rigged.store.keys(NAMESPACE) == []
    leap(rigged, WEEK_S)
    assert len(asked(rigged)) == 2


def test_a_clock_that_was_wrong_puts_nothing_off() -> None:
    rigged = station()
    install_v2g(rigged)
    rigged.advance(1.0)
    rigged.clock.set_utc(NOON + REFRESH_AFTER)
    rigged.feed(TimeStepped(REFRESH_AFTER.total_seconds()))
    rigged.advance(1.0)
    assert len(asked(rigged)) == 4


def test_base64() -> None:
    assert is_base64("QUFB")
    for text in ("", "Q", "QUFB!", "QÜFB"):
        assert not is_base64(text)
