from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from chargerd.clock import ManualClock
from chargerd.ocpp.effects import CloseLink, KeyUse, MakeKey, OpenLink
from chargerd.ocpp.events import KeyMade
from chargerd.ocpp.iso15118_variables import PNC_ENABLED
from chargerd.ocpp.messages.enums import CertificateSignedStatus, MessageTrigger
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use
from chargerd.ocpp.renewal import KEY_TIME_LIMIT_S, MAX_CERTIFICATE_CHAIN_SIZE
from chargerd.ocpp.signing_requests import MAX_OPEN
from tests.chargerd.ocpp.renewing import (
    CSO,
    CSO_SUB,
    DAYS,
    ORGANIZATION,
    SECC_ID,
    STRANGER,
    Stand,
    order_of,
)
from tests.chargerd.pki import NOON, ec_key, rsa_key

ACCEPTED, REJECTED = CertificateSignedStatus.ACCEPTED, CertificateSignedStatus.REJECTED
V2G_USE = Use.V2G_CERTIFICATE
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
QUICK = {"SecurityCtrlr.CertSigningWaitMinimum": "10", "SecurityCtrlr.CertSigningRepeatTimes": "1"}


def asked(**changes: Any) -> Stand:
    """The CSMS has triggered, has the request, and has said Accepted."""
    stand = Stand(**changes).online()
    assert stand.trigger()
    return stand


# ---- A02: from the trigger to the certificate ----------------------------------------------------------------------


def test_A02_FR_02_a_trigger_makes_a_new_key_for_this_station() -> None:
    stand = Stand().online()
    stand.makes_keys = False
    assert stand.trigger()
    (order,) = stand.peer.took(MakeKey)
    assert msgspec.structs.replace(order, request_id="") == order_of(KeyUse.STATION)
    assert stand.asked == []


def test_A02_FR_02_each_trigger_makes_another_key() -> None:
    stand = asked()
    stand.trigger()
    first, second = (stand.keys.of(each["csr"]) for each in stand.asked)
    assert first is not second


def test_A02_FR_03_the_request_is_sent_as_a_CSR_in_PEM() -> None:
    (request,) = asked().asked
    loaded = x509.load_pem_x509_csr(request["csr"].encode())
    assert loaded.is_signature_valid
    assert isinstance(key := loaded.public_key(), ec.EllipticCurvePublicKey)
    assert key.key_size >= 224


def test_A02_FR_13_the_request_says_which_certificate_it_is_for() -> None:
    stand = asked(v2g=SECC_ID)
    stand.trigger(V2G_USE)
    assert [each["certificateType"] for each in stand.asked] == ["ChargingStationCertificate", "V2GCertificate"]


def test_A02_FR_08_a_valid_certificate_is_accepted_and_tried_at_once() -> None:
    stand = asked()
    stand.peer.took(OpenLink)
    chain = stand.signed()
    assert stand.sent(chain).status is ACCEPTED
    assert stand.key_in_use == "key-0"
    assert stand.credentials.clients[0].chain_pem == chain
    assert stand.peer.took(CloseLink)
    stand.offline()
    (order,) = stand.peer.took(OpenLink)
    assert order.client == stand.credentials.clients[0]
    assert ("ReconfigurationOfSecurityParameters", "new ChargingStationCertificate") in stand.events


def test_A02_FR_08_the_answer_leaves_before_the_connection_is_closed() -> None:
    stand = asked()
    stand.sent(stand.signed())
    kinds = [type(effect).__name__ for effect in stand.peer.effects]
    sends = [at for at, kind in enumerate(kinds) if kind == "SendText"]
    assert sends[-1] < kinds.index("CloseLink")


def test_the_root_is_not_kept_in_the_chain() -> None:
    stand = asked()
    chain = stand.signed(others=(CSO_SUB,))
    assert stand.sent(chain + CSO.pem).status is ACCEPTED
    assert stand.credentials.clients[0].chain_pem == chain


def test_a_station_on_profile_1_keeps_its_certificate_for_later() -> None:
    stand = Stand(until=None, profile=1).online()
    stand.trigger()
    stand.peer.took(OpenLink)
    assert stand.sent(stand.signed()).status is ACCEPTED
    assert stand.key_in_use == "key-0"
    assert not stand.peer.took(CloseLink)


# ---- A02: what is refused ------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"until": NOON - timedelta(seconds=1)}, "expired on 2026-06-01"),
    "from the future": ({"since": NOON + timedelta(seconds=11)}, "not valid before 2026-06-01 12:00:11"),
    "of a strange hierarchy": ({"issuer": STRANGER}, "no certificate of"),
    "without what is between": ({"others": ()}, "no certificate of"),
    "of another station": ({"name": "SN-2"}, "issued to SN-2 rather than SN-1"),
    "of another organization": ({"organization": "Thief"}, "issued to organization Thief rather than chargerd"),
    "of no organization": ({"organization": ""}, "issued to organization (none)"),
    "of an authority": ({"ca": True, "usage": ["digital_signature"]}, "is a certificate authority"),
    "for servers": ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "its key is for other purposes"),
    "not for signatures": ({"usage": ["key_encipherment"]}, "its key is not for signatures"),
    "of a key nobody asked for": ({"key": ec_key(77)}, "belongs to no open request"),
    "of a weak key": ({"key": rsa_key(1024)}, "belongs to no open request"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_A02_FR_06_A02_FR_07_a_certificate_that_is_wrong_is_refused_and_told(wrong: str) -> None:
    changes, why = WRONG[wrong]
    stand = asked()
    response = stand.sent(stand.signed(**changes))
    assert response.status is REJECTED
    assert response.status_info is not None
    assert response.status_info.reason_code == "InvalidCertificate"
    assert why in (response.status_info.additional_info or "")
    assert len(stand.invalid) == 1
    assert why in stand.invalid[0]
    assert stand.key_in_use == "key-provisioned"
    assert not stand.peer.took(CloseLink)


@pytest.mark.parametrize("text", ["", "no certificate", CSO.pem.replace("MI", "!!", 1), CSO.key_pem])
def test_A02_FR_07_what_cannot_be_read_is_refused_and_told(text: str) -> None:
    stand = asked()
    assert stand.sent(text).status is REJECTED
    assert len(stand.invalid) == 1


def test_A02_FR_06_a_certificate_that_begins_while_the_clocks_differ_is_not_from_the_future() -> None:
    stand = asked()
    assert stand.sent(stand.signed(since=NOON + timedelta(seconds=9))).status is ACCEPTED


def test_A02_FR_06_without_a_root_nothing_can_be_verified() -> None:
    stand = asked(roots=False)
    response = stand.sent(stand.signed())
    assert response.status is REJECTED
    assert response.status_info is not None
    assert response.status_info.additional_info == (
        "no CSMSRootCertificate is installed to verify it with; install that first"
    )


def test_A02_FR_14_a_certificate_of_another_type_than_its_key_is_refused() -> None:
    stand = asked(v2g=SECC_ID)
    assert stand.sent(stand.signed(), V2G_USE).status is REJECTED
    assert "was made for ChargingStationCertificate" in stand.invalid[0]


def test_a_certificate_without_a_type_is_for_what_its_key_was_made_for() -> None:
    stand = Stand(v2g=SECC_ID).online()
    stand.trigger(V2G_USE)
    assert stand.sent(stand.v2g_signed(), None).status is ACCEPTED
    assert stand.book.v2g_chain() is not None
    assert stand.key_in_use == "key-provisioned"


def test_A02_FR_16_a_chain_that_is_too_long_is_refused() -> None:
    stand = asked(overrides={str(MAX_CERTIFICATE_CHAIN_SIZE): "5600"})
    chain = stand.signed()
    padded = chain + "\n" * (5600 - len(chain))
    response = stand.sent(padded + "\n")
    assert response.status is REJECTED
    assert response.status_info is not None
    assert response.status_info.reason_code == "TooLargeElement"
    stand.trigger()
    chain = stand.signed()
    assert stand.sent(chain + "\n" * (5600 - len(chain))).status is ACCEPTED


def test_A02_FR_20_after_a_certificate_that_is_wrong_the_station_asks_no_more_by_itself() -> None:
    stand = asked(overrides=QUICK)
    assert stand.sent(stand.signed(name="SN-2")).status is REJECTED
    stand.wait(DAY_S)
    assert len(stand.asked) == 1
    stand.trigger()
    stand.wait(60.0)
    assert len(stand.asked) == 4


def test_A02_FR_20_nor_when_it_has_to_be_renewed() -> None:
    stand = asked(until=NOON + 31 * DAYS)
    assert stand.sent(stand.signed(name="SN-2")).status is REJECTED
    stand.wait(5 * DAY_S)
    assert len(stand.asked) == 1
    (warned,) = [text for text in stand.peer.notes() if "it has to trigger the next one" in text]
    assert "expires on 2026-07-02 12:00 UTC" in warned


def test_what_was_wrong_can_be_put_right() -> None:
    stand = asked()
    assert stand.sent(stand.signed(others=())).status is REJECTED
    assert stand.sent(stand.signed()).status is ACCEPTED


def test_a_certificate_that_nobody_asked_for_does_not_stop_a_request_that_is_still_to_be_sent() -> None:
    stand = Stand().online()
    stand.makes_keys = False
    stand.trigger()
    (order,) = stand.peer.took(MakeKey)
    assert stand.sent(CSO.pem).status is REJECTED
    stand.key_made(stand.keys.make(order))
    assert len(stand.asked) == 1


def test_while_the_clock_is_not_set_nothing_is_accepted_and_nothing_given_up() -> None:
    stand = asked(clock=ManualClock(utc=NOON, synced=False))
    chain = stand.signed()
    response = stand.sent(chain)
    assert response.status is REJECTED
    assert stand.invalid == []
    stand.peer.clock.set_utc(NOON)
    assert stand.sent(chain).status is ACCEPTED


# ---- A02: again and again ------------------------------------------------------------------------------------------


def test_A02_FR_17_A02_FR_18_A02_FR_19_the_CSMS_is_asked_again_after_waits_that_double() -> None:
    stand = asked(overrides=QUICK)
    stand.wait(9.9)
    assert len(stand.asked) == 1
    stand.wait(0.2)
    assert len(stand.asked) == 2
    stand.wait(19.8)
    assert len(stand.asked) == 2
    stand.wait(0.2)
    assert len(stand.asked) == 3
    stand.wait(10 * DAY_S)
    assert len(stand.asked) == 3
    assert [each["csr"] for each in stand.asked] == [stand.asked[0]["csr"]] * 3
    assert any("asked 3 times" in note for note in stand.peer.notes())


def test_A02_FR_19_a_certificate_that_comes_after_the_last_request_is_taken() -> None:
    stand = asked(overrides=QUICK)
    stand.wait(10 * DAY_S)
    assert stand.sent(stand.signed()).status is ACCEPTED
    assert stand.renewal.status() == ()


def test_A02_FR_19_a_trigger_begins_anew() -> None:
    stand = asked(overrides=QUICK)
    stand.wait(DAY_S)
    stand.trigger()
    assert len(stand.asked) == 4
    stand.wait(11.0)
    assert len(stand.asked) == 5


def test_a_request_that_the_CSMS_rejects_is_given_up() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.answers = [{"status": "Rejected"}]
    stand.trigger()
    stand.wait(DAY_S)
    assert len(stand.asked) == 1
    assert stand.renewal.status() == ()
    assert stand.keys.kept == ("key-provisioned",)


@pytest.mark.parametrize("code, requests", [("NotImplemented", 1), ("NotSupported", 1), ("InternalError", 3)])
def test_a_request_that_is_answered_with_an_error_is_repeated_unless_nobody_understands_it(
    code: str, requests: int
) -> None:
    stand = Stand(overrides=QUICK).online()
    stand.answers = [code] * 5
    stand.trigger()
    stand.wait(DAY_S)
    assert len(stand.asked) == requests


def test_a_request_without_an_answer_is_repeated() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.answers = [None]
    stand.trigger()
    stand.wait(29.0)
    assert [status.state for status in stand.renewal.status()] == ["the CSMS was asked 1 times"]
    stand.wait(12.0)
    assert len(stand.asked) == 2


def test_a_request_whose_connection_is_lost_does_not_count() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.answers = [None]
    stand.trigger()
    stand.offline()
    stand.wait(HOUR_S)
    assert len(stand.asked) == 1
    stand.online()
    stand.wait(DAY_S)
    assert len(stand.asked) == 1 + 3


def test_A02_FR_21_plug_and_charge_is_off_until_the_next_start_when_the_CSMS_rejects_a_V2G_request() -> None:
    stand = Stand(v2g=SECC_ID).online()
    stand.answers = [{"status": "Rejected"}]
    stand.trigger(V2G_USE)
    assert not stand.peer.ctx.variables[PNC_ENABLED]
    assert stand.restarted().peer.ctx.variables[PNC_ENABLED]


# ---- A02: more than one at a time ----------------------------------------------------------------------------------


def test_a_certificate_belongs_to_the_request_of_its_key() -> None:
    stand = asked()
    stand.trigger()
    assert stand.sent(stand.signed(0)).status is ACCEPTED
    assert stand.key_in_use == "key-0"
    assert stand.sent(stand.signed(1)).status is ACCEPTED
    assert stand.key_in_use == "key-1"


def test_after_the_newer_one_an_older_certificate_is_refused() -> None:
    stand = asked()
    stand.trigger()
    old = stand.signed(0)
    assert stand.sent(stand.signed(1)).status is ACCEPTED
    assert stand.sent(old).status is REJECTED
    assert stand.key_in_use == "key-1"


def test_the_same_certificate_again_is_accepted_and_changes_nothing() -> None:
    stand = asked()
    chain = stand.signed()
    stand.sent(chain)
    stand.peer.took(CloseLink)
    before = stand.peer.store.items("credentials", dict)
    assert stand.sent(chain).status is ACCEPTED
    assert not stand.peer.took(CloseLink)
    assert stand.peer.store.items("credentials", dict) == before
    assert stand.invalid == []


def test_the_same_V2G_certificate_again_is_accepted_and_changes_nothing() -> None:
    stand = Stand(v2g=SECC_ID).online()
    stand.trigger(V2G_USE)
    chain = stand.v2g_signed()
    assert [stand.sent(chain, V2G_USE).status for _ in range(2)] == [ACCEPTED, ACCEPTED]
    assert stand.book.count() == 3


def test_only_so_many_requests_stay_open() -> None:
    stand = asked()
    for _ in range(MAX_OPEN + 3):
        stand.trigger()
    assert len(stand.renewal.status()) == MAX_OPEN
    # When the newest one made room, its own key was still to be made.
    assert stand.keys.kept == ("key-provisioned", *list(stand.keys.made)[-MAX_OPEN:-1])
    assert stand.sent(stand.signed(0)).status is REJECTED
    assert stand.sent(stand.signed(-MAX_OPEN)).status is ACCEPTED


def test_a_trigger_before_the_request_has_been_sent_is_answered_by_that_request() -> None:
    stand = Stand().online()
    stand.makes_keys = False
    assert stand.trigger()
    assert stand.trigger()
    first, second = stand.peer.took(MakeKey)
    assert first.request_id == second.request_id
    stand.key_made(stand.keys.make(first))
    stand.key_made(stand.keys.make(second))
    assert len(stand.asked) == 1
    assert stand.keys.kept == ("key-provisioned", "key-0")


# ---- A02: who may be asked, and for what ---------------------------------------------------------------------------


def test_A00_FR_806_a_CSMS_that_has_not_accepted_the_station_may_trigger() -> None:
    stand = Stand().pending()
    assert stand.trigger()
    assert len(stand.asked) == 1
    assert stand.sent(stand.signed()).status is ACCEPTED


def test_F06_FR_08_a_combined_certificate_is_not_offered() -> None:
    offered = Stand(v2g=SECC_ID).renewal.triggers()
    assert MessageTrigger.SIGN_COMBINED_CERTIFICATE not in offered
    assert MessageTrigger.SIGN_V2G_CERTIFICATE in offered
    assert MessageTrigger.SIGN_V2G_CERTIFICATE not in Stand().renewal.triggers()


def test_F06_FR_05_what_cannot_name_the_station_is_rejected() -> None:
    assert not Stand(v2g="").online().trigger(V2G_USE)
    off = {"ISO15118Ctrlr.V2GCertificateInstallationEnabled": "false"}
    assert not Stand(v2g=SECC_ID, overrides=off).online().trigger(V2G_USE)
    assert not Stand(overrides={"SecurityCtrlr.OrganizationName": ""}).online().trigger()


def test_the_request_for_a_V2G_certificate_names_the_SECC_and_the_operator() -> None:
    stand = Stand(v2g=SECC_ID, overrides={"ISO15118Ctrlr.CountryName": "DE"}).online()
    stand.makes_keys = False
    stand.trigger(V2G_USE)
    (order,) = stand.peer.took(MakeKey)
    assert msgspec.structs.replace(order, request_id="") == order_of(
        KeyUse.V2G, common_name=SECC_ID, organization="Operator", country="DE", domain_component="CPO"
    )


def test_a_station_without_a_vehicle_stack_forgets_requests_for_vehicles() -> None:
    stand = Stand(v2g=SECC_ID).online()
    stand.trigger(V2G_USE)
    assert stand.restarted(v2g=None, overrides={}).renewal.status() == ()


def test_A02_FR_15_the_newest_V2G_certificate_is_used() -> None:
    stand = Stand(v2g=SECC_ID).online()
    stand.trigger(V2G_USE)
    assert stand.sent(stand.v2g_signed(since=NOON - 2 * DAYS), V2G_USE).status is ACCEPTED
    stand.trigger(V2G_USE)
    assert stand.sent(stand.v2g_signed(since=NOON - 1 * DAYS), V2G_USE).status is ACCEPTED
    chain = stand.book.v2g_chain()
    assert chain is not None
    assert chain.key_id == "key-1"
    assert stand.keys.kept == ("key-provisioned", "key-1")


# ---- Keys ----------------------------------------------------------------------------------------------------------


def test_A02_FR_05_only_keys_that_are_waited_for_or_used_are_kept() -> None:
    stand = asked()
    stand.trigger()
    stand.sent(stand.signed())
    kept = stand.keys.kept
    stand.offline()
    stand.online()
    assert [kept, stand.keys.kept] == [("key-1", "key-provisioned"), ("key-1",)]


def test_a_key_that_is_not_made_in_time_is_asked_for_again_and_at_last_given_up() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.makes_keys = False
    stand.trigger()
    assert len(stand.peer.took(MakeKey)) == 1
    stand.wait(KEY_TIME_LIMIT_S + 0.1)
    assert len(stand.peer.took(MakeKey)) == 1
    stand.wait(DAY_S)
    assert len(stand.peer.took(MakeKey)) == 1
    assert stand.renewal.status() == ()
    assert any("no key for ChargingStationCertificate after 3 attempts" in note for note in stand.peer.notes())


def test_a_key_that_cannot_be_made_is_noted_and_asked_for_again() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.makes_keys = False
    stand.trigger()
    (order,) = stand.peer.took(MakeKey)
    stand.key_made(KeyMade(order.request_id, problem="the TPM is gone"))
    assert any("the TPM is gone" in note for note in stand.peer.notes())
    stand.makes_keys = True
    stand.wait(10.1)
    assert len(stand.asked) == 1


def test_a_key_that_comes_too_late_is_not_kept() -> None:
    stand = Stand(overrides=QUICK).online()
    stand.makes_keys = False
    stand.trigger()
    (order, *_) = stand.peer.took(MakeKey)
    stand.wait(DAY_S)
    stand.key_made(stand.keys.make(order))
    assert stand.asked == []
    assert stand.keys.kept == ("key-provisioned",)
    stand.key_made(KeyMade("nobody", problem="gone"))


def test_what_is_pending_is_told_without_secrets() -> None:
    stand = asked(overrides=QUICK)
    (status,) = stand.renewal.status()
    assert (status.use, status.state, status.key_id) == (
        "ChargingStationCertificate",
        "the CSMS was asked 1 times",
        "key-0",
    )
    assert status.since_utc == NOON
    assert ORGANIZATION not in repr(status)
