"""C07, M01 and M02 through a whole station: what a vehicle shows and wants, and what becomes of it."""

import base64
from typing import Any

import pytest

from chargerd.ocpp.certificate_book import root_row
from chargerd.ocpp.events import ContractShown, EvCertificateWanted
from chargerd.ocpp.messages.enums import CertificateAction
from chargerd.ocpp.messages.enums import GetCertificateIdUse as Kind
from chargerd.ocpp.vehicle_stack import EV_CERTIFICATE_TIME_LIMIT_S, Answer, State
from chargerd.store import Store
from tests.chargerd.ocpp.building import GOOD, Rig
from tests.chargerd.ocpp.vehicles import (
    CHAIN,
    EMAID,
    MO_SUB,
    V2G_ROOT,
    answer,
    authorized_with,
    install_v2g,
    rig,
    show,
)
from tests.chargerd.pki import NOON, YEAR, made

ACCEPTED = Answer(State.ACCEPTED)
CENTRAL = {"ISO15118Ctrlr.CentralContractValidationAllowed": "true"}
OFFLINE = {"ISO15118Ctrlr.ContractValidationOffline": "true", "AuthCacheCtrlr.Enabled": "true"}
UNKNOWN = OFFLINE | {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
SCHEMA = "urn:iso:15118:2:2013:MsgDef"
EXI = base64.b64encode(b"exi of the vehicle").decode()
REPLY = base64.b64encode(b"exi for the vehicle").decode()


def refused(found: Answer) -> str:
    assert found.state is State.REFUSED
    return found.why


# ---- C07 online ----------------------------------------------------------------------------------------------------


def test_C07_FR_01_C07_FR_02_the_csms_is_asked_about_the_contract_and_its_certificates() -> None:
    rigged = rig()
    assert show(rigged) == ACCEPTED
    asked = authorized_with(rigged)
    assert asked["idToken"] == {"idToken": EMAID, "type": "eMAID"}
    assert "certificate" not in asked
    assert [each["responderURL"] for each in asked["iso15118CertificateHashData"]] == ["http://ocsp.test"] * 2
    started = rigged.events()[-1]
    assert (started["eventType"], started["idToken"]["type"]) == ("Started", "eMAID")
    rigged.charge()
    assert rigged.events()[-1]["transactionInfo"]["chargingState"] == "Charging"


def test_C07_FR_01_what_is_known_here_does_not_spare_the_question() -> None:
    rigged = rig(OFFLINE | {"AuthCtrlr.LocalPreAuthorize": "true"})
    for _ in range(2):
        assert show(rigged) == ACCEPTED
        rigged.unplug()
        rigged.plug_in()
    assert len(rigged.sent("Authorize")) == 2


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "Unknown", "ConcurrentTx", "NotAtThisLocation"])
def test_C07_FR_13_C07_FR_14_a_good_certificate_does_not_make_up_for_a_token_that_is_refused(status: str) -> None:
    rigged = rig()
    for certificate in ("ContractCancelled", "Accepted"):
        rigged.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}, "certificateStatus": certificate}
        assert status in refused(show(rigged))
    assert not rigged.orders().permit


@pytest.mark.parametrize(
    "certificate", ["SignatureError", "CertificateExpired", "CertificateRevoked", "NoCertificateAvailable", None]
)
def test_C07_FR_15_C07_FR_16_C07_FR_17_a_token_does_not_make_up_for_its_certificate(certificate: str | None) -> None:
    rigged = rig(OFFLINE)
    said: dict[str, Any] = {"idTokenInfo": {"status": "Accepted"}}
    rigged.csms.answers["Authorize"] = said | ({} if certificate is None else {"certificateStatus": certificate})
    assert (certificate or "not judged") in refused(show(rigged))
    assert not rigged.orders().permit
    rigged.link_down()
    assert "Invalid" in refused(show(rigged))  # what is remembered of it does not let it charge offline


def test_C07_FR_06_a_chain_whose_root_is_not_installed_goes_to_the_csms_where_that_is_allowed() -> None:
    rigged = rig(CENTRAL, roots=())
    assert show(rigged) == ACCEPTED
    asked = authorized_with(rigged)
    assert asked["certificate"] == CHAIN
    assert "iso15118CertificateHashData" not in asked


def test_C07_FR_06_where_it_is_not_allowed_such_a_chain_is_refused() -> None:
    rigged = rig(roots=())
    assert refused(show(rigged)) == "its root is not installed, and the CSMS is not to judge it"
    assert rigged.sent("Authorize") == []


def test_C07_FR_06_a_chain_that_is_too_long_for_the_message_is_refused() -> None:
    rigged = rig(CENTRAL, roots=())
    bulky = made(EMAID, MO_SUB, ocsp_url=f"http://{'o' * 4000}.test")
    assert "too long for the CSMS" in refused(show(rigged, bulky.pem + MO_SUB.pem))


def test_a_certificate_that_is_wrong_is_refused_and_nobody_is_asked() -> None:
    rigged = rig(CENTRAL)
    old = made(EMAID, MO_SUB, until=NOON - YEAR / 2)
    assert "expired" in refused(show(rigged, old.pem + MO_SUB.pem))
    assert "not a certificate" in refused(show(rigged, "nonsense"))
    assert "another eMAID" in refused(show(rigged, emaid="DEXYZC987654321"))
    assert rigged.sent("Authorize") == []
    assert not rigged.orders().permit


def test_where_the_csms_is_never_asked_a_valid_contract_counts_as_a_card_does() -> None:
    never = OFFLINE | {"AuthCtrlr.DisableRemoteAuthorization": "true"}
    assert "not to be asked" in refused(show(rig(never)))
    assert "not to be asked" in refused(show(rig(never | CENTRAL, roots=())))
    store = Store(":memory:")
    known(store)
    assert show(rig(never, store=store, first_id=1000)) == ACCEPTED


# ---- C07 offline ---------------------------------------------------------------------------------------------------


def known(store: Store) -> None:
    """A contract that the CSMS accepted once is in the cache."""
    before = rig(OFFLINE, store=store)
    assert show(before) == ACCEPTED
    before.unplug()


def test_C07_FR_07_offline_no_contract_counts_unless_the_site_says_so() -> None:
    store = Store(":memory:")
    known(store)
    rigged = rig({"AuthCacheCtrlr.Enabled": "true"}, store=store, online=False, first_id=1000)
    assert "ContractValidationOffline is false" in refused(show(rigged))
    assert not rigged.station.vehicle_stack.report().offer_contract


def test_C07_FR_08_offline_a_contract_whose_root_is_not_installed_does_not_count() -> None:
    assert refused(show(rig(UNKNOWN | CENTRAL, roots=(), online=False))) == "its root is not installed"
    assert show(rig(UNKNOWN, online=False)) == ACCEPTED


def test_C07_FR_09_C07_FR_11_offline_a_valid_contract_is_looked_up_in_the_cache() -> None:
    store = Store(":memory:")
    known(store)
    rigged = rig(OFFLINE, store=store, online=False, first_id=1000)
    assert rigged.station.vehicle_stack.report().offer_contract
    assert show(rigged) == ACCEPTED
    strict = rig(OFFLINE | {"AuthCtrlr.LocalAuthorizeOffline": "false"}, store=store, online=False, first_id=2000)
    assert refused(show(strict)) == "the CSMS is out of reach"


def test_C07_FR_10_offline_a_valid_contract_is_looked_up_in_the_local_list() -> None:
    rigged = rig(OFFLINE | {"LocalAuthListCtrlr.Enabled": "true"})
    for status, state in (("Accepted", State.ACCEPTED), ("Blocked", State.REFUSED)):
        entry = {"idToken": {"idToken": EMAID, "type": "eMAID"}, "idTokenInfo": {"status": status}}
        sent = rigged.call("SendLocalList", versionNumber=1, updateType="Full", localAuthorizationList=[entry])
        assert sent["status"] == "Accepted"
        rigged.link_down()
        assert show(rigged).state is state
        rigged.unplug()
        rigged.link_up()
        rigged.plug_in()


def test_C07_FR_12_offline_an_unknown_contract_counts_where_unknown_tokens_do() -> None:
    assert "not known here" in refused(show(rig(OFFLINE, online=False)))
    assert show(rig(UNKNOWN, online=False)) == ACCEPTED
    strict = UNKNOWN | {"AuthCtrlr.LocalAuthorizeOffline": "false"}
    assert refused(show(rig(strict, online=False))) == "the CSMS is out of reach"


def test_a_csms_that_does_not_answer_in_time_counts_as_offline() -> None:
    for settings, state in (({}, State.REFUSED), (UNKNOWN, State.ACCEPTED)):
        rigged = rig(settings)
        rigged.csms.answers["Authorize"] = None
        assert show(rigged) == Answer(State.ASKED)
        rigged.advance(30.0)
        assert answer(rigged).state is state


# ---- The vehicle and the others ------------------------------------------------------------------------------------


def test_C08_FR_01_a_vehicle_that_speaks_may_be_authorized_by_a_card_as_any_other() -> None:
    rigged = rig()
    rigged.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Accepted"}}
    rigged.tap(GOOD)
    assert authorized_with(rigged) == {"idToken": {"idToken": GOOD, "type": "ISO14443"}}
    assert rigged.orders().permit
    assert refused(show(rigged)) == "somebody is authorized already"


def test_the_same_contract_shown_again_stops_nothing_and_asks_nobody() -> None:
    rigged = rig()
    show(rigged)
    rigged.charge()
    assert show(rigged) == ACCEPTED
    assert rigged.orders().permit
    assert len(rigged.sent("Authorize")) == 1


def test_without_a_vehicle_without_a_stack_or_switched_off_nothing_is_asked() -> None:
    rigged = rig()
    rigged.unplug()
    assert refused(show(rigged)) == "no vehicle is connected"
    rigged.feed(ContractShown(9, CHAIN))
    rigged.feed(EvCertificateWanted(9, CertificateAction.INSTALL, SCHEMA, EXI))
    assert ["EVSE 9" in note for note in rigged.notes()[-2:]] == [True, True]
    assert [each.evse_id for each in rigged.station.vehicle_stack.report().evses] == [1]
    assert refused(show(rig({"ISO15118Ctrlr.PnCEnabled": "false"}))) == "PnCEnabled is false"
    assert "vehicle_stack is not set" in refused(show(rig(stack=False)))
    assert rigged.sent("Authorize") == []


def test_while_a_question_is_open_a_second_one_waits_its_turn() -> None:
    rigged = rig()
    rigged.csms.answers["Authorize"] = None
    show(rigged)
    assert "too soon" in refused(show(rigged))


def test_answers_are_for_the_vehicle_that_asked() -> None:
    rigged = rig()
    assert show(rigged) == ACCEPTED
    rigged.unplug()
    assert answer(rigged) == Answer()
    rigged.plug_in()
    assert show(rigged) == ACCEPTED
    rigged.status_lost()
    assert answer(rigged) == Answer()


def test_a_token_of_the_master_group_starts_nothing_by_contract() -> None:
    rigged = rig({"AuthCtrlr.MasterPassGroupId": "MASTER"})
    group = {"status": "Accepted", "groupIdToken": {"idToken": "MASTER", "type": "Central"}}
    rigged.csms.answers["Authorize"] = {"idTokenInfo": group, "certificateStatus": "Accepted"}
    assert show(rigged).state is State.REFUSED
    assert not rigged.orders().permit


def test_variables_of_iso_15118_are_there_where_a_stack_is() -> None:
    wanted = [{"component": {"name": "ISO15118Ctrlr"}, "variable": {"name": "ContractValidationOffline"}}]
    supported = [{"component": {"name": "AuthCtrlr"}, "variable": {"name": "SupportedIdTokenTypes"}}]
    for stack, status in ((True, "Accepted"), (False, "UnknownComponent")):
        rigged = rig(stack=stack)
        assert rigged.call("GetVariables", getVariableData=wanted)["getVariableResult"][0]["attributeStatus"] == status
        kinds = rigged.call("GetVariables", getVariableData=supported)["getVariableResult"][0]["attributeValue"]
        assert ("eMAID" in kinds) is stack


# ---- M01, M02 ------------------------------------------------------------------------------------------------------


def want(
    rig: Rig, action: CertificateAction = CertificateAction.INSTALL, exi: str = EXI, schema: str = SCHEMA
) -> Answer:
    rig.feed(EvCertificateWanted(1, action, schema, exi))
    return wanted(rig)


def wanted(rig: Rig) -> Answer:
    return rig.station.vehicle_stack.report().evses[0].ev_certificate


@pytest.mark.parametrize("action", list(CertificateAction))
def test_M01_FR_01_M02_FR_01_the_message_of_the_vehicle_goes_to_the_csms_and_its_answer_back(
    action: CertificateAction,
) -> None:
    rigged = rig()
    rigged.csms.answers["Get15118EVCertificate"] = {"status": "Accepted", "exiResponse": REPLY}
    assert want(rigged, action) == Answer(State.ACCEPTED, exi_response=REPLY)
    assert rigged.sent("Get15118EVCertificate") == [
        {"iso15118SchemaVersion": SCHEMA, "action": str(action), "exiRequest": EXI}
    ]


def test_M01_FR_01_a_failure_comes_with_the_message_that_tells_the_vehicle() -> None:
    rigged = rig()
    rigged.csms.answers["Get15118EVCertificate"] = {"status": "Failed", "exiResponse": REPLY}
    assert want(rigged) == Answer(State.REFUSED, "the CSMS says Failed", REPLY)


def test_M01_FR_01_the_vehicle_is_told_of_a_failure_before_it_gives_up() -> None:
    rigged = rig()
    rigged.csms.answers["Get15118EVCertificate"] = None
    assert want(rigged) == Answer(State.ASKED)
    rigged.advance(EV_CERTIFICATE_TIME_LIMIT_S - 0.1)
    assert wanted(rigged).state is State.ASKED
    rigged.advance(0.1)
    assert refused(wanted(rigged)) == "no answer of the CSMS within 4.5 s"


def test_M02_FR_01_an_answer_that_comes_too_late_or_to_another_vehicle_is_nobodys() -> None:
    rigged = rig()
    held: list[dict[str, Any]] = []
    rigged.csms.answers["Get15118EVCertificate"] = None
    want(rigged)
    rigged.unplug()
    rigged.plug_in()
    assert (wanted(rigged), held) == (Answer(), [])
    assert want(rigged) == Answer(State.ASKED)
    rigged.link_down()
    assert wanted(rigged).state is State.REFUSED


@pytest.mark.parametrize(
    "exi, schema, why",
    [
        ("not Base64!", SCHEMA, "Base64"),
        ("", SCHEMA, "Base64"),
        ("QUFB" * 1401, SCHEMA, "at most 5600"),
        (EXI, "", "schema"),
        (EXI, "x" * 51, "schema"),
    ],
)
def test_a_message_that_the_csms_could_not_be_sent_is_refused(exi: str, schema: str, why: str) -> None:
    rigged = rig()
    assert why in refused(want(rigged, exi=exi, schema=schema))
    assert rigged.sent("Get15118EVCertificate") == []


def test_certificates_are_not_asked_for_where_that_is_switched_off_or_nobody_is_there() -> None:
    off = rig({"ISO15118Ctrlr.ContractCertificateInstallationEnabled": "false"})
    assert "is false" in refused(want(off))
    assert not off.station.vehicle_stack.report().offer_certificates
    away = rig(online=False)
    assert refused(want(away)) == "the CSMS is out of reach"
    assert not away.station.vehicle_stack.report().offer_certificates
    assert "vehicle_stack is not set" in refused(want(rig(stack=False)))


def test_a_second_request_before_the_answer_changes_nothing() -> None:
    rigged = rig()
    rigged.csms.answers["Get15118EVCertificate"] = None
    want(rigged)
    assert want(rigged) == Answer(State.ASKED)
    assert len(rigged.sent("Get15118EVCertificate")) == 1


# ---- What vehicles are shown ---------------------------------------------------------------------------------------


def test_the_stack_is_told_the_certificate_of_the_station_and_its_statuses() -> None:
    rigged = rig()
    assert rigged.station.vehicle_stack.report().v2g_chain_pem == ""
    rigged.csms.answers["GetCertificateStatus"] = {"status": "Accepted", "ocspResult": "QUFB"}
    rigged.station.certificate_book.put(root_row(Kind.V2G_ROOT_CERTIFICATE, V2G_ROOT.read))
    install_v2g(rigged)
    rigged.advance(1.0)
    report = rigged.station.vehicle_stack.report()
    assert report.v2g_key_id == "key-1"
    assert report.v2g_chain_pem.count("BEGIN CERTIFICATE") == 2
    assert report.v2g_ocsp == ("QUFB", "QUFB")
