from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chargerd.clock import Now
from chargerd.ocpp.authorization import Verdict, same_group, same_token, shown
from chargerd.ocpp.messages.data_transfer import DataTransfer
from chargerd.ocpp.messages.enums import AuthorizationStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo
from hal.types import Indication, TokenKind
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig, board

CARD = IdToken(id_token=GOOD, type=IdTokenEnum.ISO14443)

Listed = Callable[[Rig], None]


class Asked:
    """Asks about one token and keeps what is answered."""

    def __init__(self, rig: Rig, token: IdToken = CARD, evse_id: int | None = 1) -> None:
        self.verdicts: list[Verdict] = []
        rig.station.authorization.authorize(token, evse_id, rig.clock.now(), self._decided)
        rig.status()

    def _decided(self, verdict: Verdict, now: Now) -> None:
        self.verdicts.append(verdict)

    @property
    def verdict(self) -> Verdict:
        (verdict,) = self.verdicts
        return verdict


def test_C01_FR_02_a_token_nobody_here_knows_is_asked_about() -> None:
    rig = Rig()
    assert Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == [{"idToken": {"idToken": GOOD, "type": "ISO14443"}}]


@pytest.mark.parametrize("status", [one for one in AuthorizationStatus if one is not AuthorizationStatus.ACCEPTED])
def test_every_status_but_accepted_refuses(status: AuthorizationStatus) -> None:
    rig = Rig()
    rig.csms.tokens[GOOD] = {"status": status}
    verdict = Asked(rig).verdict
    assert not verdict.accepted
    assert status in verdict.why


def test_C01_FR_21_a_token_counts_on_the_evses_it_is_valid_for_only() -> None:
    rig = Rig(facts=board(2))
    rig.csms.tokens[GOOD] = {"status": "Accepted", "evseId": [2]}
    assert not Asked(rig, evse_id=1).verdict.accepted
    assert Asked(rig, evse_id=2).verdict.accepted
    assert Asked(rig, evse_id=None).verdict.accepted


@pytest.mark.parametrize("kind", [IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION])
def test_C03_FR_01_C05_FR_01_tokens_of_the_csms_and_the_start_button_are_not_asked_about(kind: IdTokenEnum) -> None:
    rig = Rig()
    assert Asked(rig, IdToken(id_token="X", type=kind)).verdict.accepted
    assert rig.sent("Authorize") == []


def test_with_authorization_switched_off_every_token_is_accepted_unasked() -> None:
    rig = Rig({"AuthCtrlr.Enabled": "false"})
    assert Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == []


def test_offline_an_unknown_token_is_refused() -> None:
    rig = Rig(online=False)
    verdict = Asked(rig).verdict
    assert not verdict.accepted
    assert verdict.offline


def test_C15_FR_08_offline_an_unknown_token_is_accepted_where_the_site_says_so() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    verdict = Asked(rig).verdict
    assert verdict.accepted
    assert verdict.offline


def test_a_csms_that_does_not_answer_counts_as_offline() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    asked = Asked(rig)
    assert asked.verdicts == []
    rig.advance(31)
    assert asked.verdict.accepted


def test_a_driver_waits_once_even_if_the_csms_answers_nothing_that_was_asked_before() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers |= {"DataTransfer": None, "Authorize": None}
    for _ in range(3):
        rig.station.ctx.tell(DataTransfer(vendor_id="org.example"), rig.clock.now())
    asked = Asked(rig)
    rig.advance(29.5)
    assert asked.verdicts == []
    rig.advance(1.0)
    assert asked.verdict.accepted
    assert asked.verdict.offline
    assert rig.sent("Authorize") == []


def test_an_answer_that_comes_too_late_is_remembered_and_decides_nothing_any_more() -> None:
    rig = Rig()
    rig.csms.answers |= {"DataTransfer": None}
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.station.ctx.tell(DataTransfer(vendor_id="org.example"), rig.clock.now())
    rig.advance(20)
    rig.station.ctx.tell(DataTransfer(vendor_id="org.example"), rig.clock.now())
    asked = Asked(rig)
    rig.advance(31)
    assert not asked.verdict.accepted
    assert rig.sent("Authorize") == []
    rig.advance(31)
    assert len(rig.sent("Authorize")) == 1
    assert len(asked.verdicts) == 1
    info = rig.station.auth_cache.find(CARD, rig.clock.now())
    assert info is not None
    assert info.status is AuthorizationStatus.BLOCKED


def test_two_drivers_who_wait_are_told_each_their_own() -> None:
    rig = Rig(facts=board(2))
    rig.csms.tokens[OTHER] = {"status": "Invalid"}
    good, other = Asked(rig), Asked(rig, IdToken(id_token=OTHER, type=IdTokenEnum.ISO14443), 2)
    assert good.verdict.accepted
    assert not other.verdict.accepted


@pytest.mark.parametrize("kind", [kind for kind in TokenKind if kind is not TokenKind.NO_AUTHORIZATION])
def test_whatever_kind_of_token_a_reader_gives_is_asked_about_as_that_kind(kind: TokenKind) -> None:
    rig = Rig()
    rig.plug_in()
    rig.tap("4711", kind=kind)
    assert rig.sent("Authorize") == [{"idToken": {"idToken": "4711", "type": kind.value}}]
    assert rig.events()[0]["idToken"] == {"idToken": "4711", "type": kind.value}


def test_the_button_that_stands_for_no_token_is_not_asked_about() -> None:
    rig = Rig()
    rig.plug_in()
    rig.tap("", kind=TokenKind.NO_AUTHORIZATION)
    assert rig.sent("Authorize") == []
    assert rig.events()[0]["idToken"]["type"] == "NoAuthorization"


def test_the_driver_sees_at_once_that_the_card_was_read_and_never_waits_for_ever() -> None:
    rig = Rig()
    rig.csms.answers["Authorize"] = None
    rig.plug_in()
    rig.tap()
    assert rig.orders().indication is Indication.PENDING
    assert rig.orders().message == ("One moment",)
    rig.advance(31)
    assert rig.orders().indication is Indication.REFUSED
    assert rig.orders().message == ("Not accepted",)


def test_a_link_lost_while_asking_counts_as_offline() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    asked = Asked(rig)
    rig.link_down()
    assert asked.verdict.accepted


def test_an_answer_that_is_none_refuses() -> None:
    rig = Rig({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = {"nonsense": True}
    assert not Asked(rig).verdict.accepted


def test_the_csms_is_not_asked_where_that_is_disabled() -> None:
    rig = Rig({"AuthCtrlr.DisableRemoteAuthorization": "true"})
    assert not Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == []


def listed(status: str = "Accepted", **more: Any) -> Listed:
    """CARD is on the local list with this."""

    def put(rig: Rig) -> None:
        entry = {"idToken": {"idToken": GOOD, "type": "ISO14443"}, "idTokenInfo": {"status": status} | more}
        rig.call("SendLocalList", versionNumber=1, updateType="Full", localAuthorizationList=[entry])

    return put


def cached(status: str = "Accepted", **more: Any) -> Listed:
    """CARD is in the cache with this."""

    def put(rig: Rig) -> None:
        info = msgspec.convert({"status": status} | more, IdTokenInfo)
        rig.station.auth_cache.learn(CARD, info, rig.clock.now())

    return put


def rig_that_knows(known: Listed, settings: dict[str, str] | None = None, *, online: bool = True) -> Rig:
    rig = Rig({"AuthCtrlr.LocalPreAuthorize": "true"} | (settings or {}), facts=board(2))
    known(rig)
    if not online:
        rig.link_down()
    return rig


@pytest.mark.parametrize("known", [listed(), cached()], ids=["list", "cache"])
def test_C12_FR_02_C14_FR_02_a_token_that_is_known_starts_unasked(known: Listed) -> None:
    rig = rig_that_knows(known)
    verdict = Asked(rig).verdict
    assert verdict.accepted
    assert not verdict.offline
    assert rig.sent("Authorize") == []


@pytest.mark.parametrize("known", [listed(), cached()], ids=["list", "cache"])
def test_without_local_pre_authorization_the_csms_is_asked_all_the_same(known: Listed) -> None:
    rig = rig_that_knows(known, {"AuthCtrlr.LocalPreAuthorize": "false"})
    assert Asked(rig).verdict.accepted
    assert len(rig.sent("Authorize")) == 1


@pytest.mark.parametrize("known", [listed("Blocked"), cached("Blocked")], ids=["list", "cache"])
def test_C10_FR_03_C12_FR_05_C14_FR_03_one_that_is_known_as_refused_is_asked_about(known: Listed) -> None:
    rig = rig_that_knows(known)
    assert Asked(rig).verdict.accepted
    assert len(rig.sent("Authorize")) == 1


@pytest.mark.parametrize(
    "known, variable",
    [(listed("Blocked"), "LocalAuthListCtrlr"), (cached("Blocked"), "AuthCacheCtrlr")],
    ids=["list", "cache"],
)
def test_one_that_is_known_as_refused_is_refused_unasked_where_the_site_says_so(known: Listed, variable: str) -> None:
    rig = rig_that_knows(known, {f"{variable}.DisablePostAuthorize": "true"})
    assert not Asked(rig).verdict.accepted
    assert rig.sent("Authorize") == []


def test_C14_FR_04_C14_FR_05_an_entry_whose_time_is_over_is_asked_about() -> None:
    rig = rig_that_knows(listed(cacheExpiryDateTime="2026-01-01T00:01:00Z"))
    Asked(rig)
    assert rig.sent("Authorize") == []
    rig.advance(61)
    Asked(rig)
    assert len(rig.sent("Authorize")) == 1


@pytest.mark.parametrize("known", [listed(), cached()], ids=["list", "cache"])
def test_C13_FR_02_offline_a_token_that_is_known_may_start(known: Listed) -> None:
    verdict = Asked(rig_that_knows(known, online=False)).verdict
    assert verdict.accepted
    assert verdict.offline


@pytest.mark.parametrize("known", [listed("Blocked"), cached("Blocked")], ids=["list", "cache"])
def test_offline_a_token_known_as_refused_is_no_unknown_one(known: Listed) -> None:
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    assert not Asked(rig_that_knows(known, unknown, online=False)).verdict.accepted


def test_C13_FR_01_the_list_is_believed_before_the_cache() -> None:
    rig = rig_that_knows(listed("Blocked"))
    cached()(rig)
    rig.link_down()
    assert not Asked(rig).verdict.accepted


def test_C13_FR_04_offline_a_token_in_neither_may_start_where_unknown_ones_may() -> None:
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    rig = rig_that_knows(listed("Blocked"), unknown, online=False)
    assert Asked(rig, IdToken(id_token="0499", type=IdTokenEnum.ISO14443)).verdict.accepted


def test_C13_FR_05_C13_FR_06_offline_an_entry_whose_time_is_over_is_refused() -> None:
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    rig = rig_that_knows(listed(cacheExpiryDateTime="2026-01-01T00:01:00Z"), unknown, online=False)
    assert Asked(rig).verdict.accepted
    rig.advance(61)
    assert not Asked(rig).verdict.accepted


def test_offline_what_is_known_here_is_not_used_where_the_site_says_so() -> None:
    rig = rig_that_knows(listed(), {"AuthCtrlr.LocalAuthorizeOffline": "false"}, online=False)
    assert not Asked(rig).verdict.accepted


@pytest.mark.parametrize("known", [listed("Blocked"), cached("Blocked")], ids=["list", "cache"])
def test_offline_a_token_known_as_refused_is_no_unknown_one_where_what_is_known_is_not_used(known: Listed) -> None:
    settings = {"AuthCtrlr.LocalAuthorizeOffline": "false", "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    assert not Asked(rig_that_knows(known, settings, online=False)).verdict.accepted


@pytest.mark.parametrize("status, accepted", [("Accepted", True), ("Blocked", False)])
def test_where_the_csms_is_not_to_be_asked_what_is_known_here_decides(status: str, accepted: bool) -> None:
    settings = {"AuthCtrlr.DisableRemoteAuthorization": "true", "AuthCtrlr.LocalPreAuthorize": "false"}
    rig = rig_that_knows(cached(status), settings)
    assert Asked(rig).verdict.accepted is accepted
    assert rig.sent("Authorize") == []


def test_C01_FR_21_what_is_known_here_counts_on_its_evses_only() -> None:
    rig = rig_that_knows(listed(evseId=[2]))
    assert not Asked(rig, evse_id=1).verdict.accepted
    assert Asked(rig, evse_id=2).verdict.accepted


def test_C12_FR_09_C16_FR_04_C16_FR_05_a_known_token_of_the_master_group_is_one() -> None:
    group = {"idToken": "MASTER", "type": "Central"}
    rig = rig_that_knows(listed(groupIdToken=group), {"AuthCtrlr.MasterPassGroupId": "MASTER"})
    assert rig.station.authorization.is_master(Asked(rig).verdict)


def test_C04_FR_06_wrong_key_codes_make_the_next_one_wait() -> None:
    rig = Rig()
    code = IdToken(id_token="1234", type=IdTokenEnum.KEY_CODE)
    rig.csms.tokens["1234"] = {"status": "Invalid"}
    for _ in range(3):
        assert "wait" not in Asked(rig, code).verdict.why
    assert "wait" in Asked(rig, code).verdict.why
    assert len(rig.sent("Authorize")) == 3
    rig.csms.tokens["1234"] = {"status": "Accepted"}
    rig.advance(4)
    assert Asked(rig, code).verdict.accepted
    rig.csms.tokens["1234"] = {"status": "Invalid"}
    assert "wait" not in Asked(rig, code).verdict.why  # a right one begins anew


def test_C01_FR_25_tokens_are_equal_without_regard_to_case_but_not_across_types() -> None:
    assert same_token(CARD, IdToken(id_token=GOOD.lower(), type=IdTokenEnum.ISO14443))
    assert not same_token(CARD, IdToken(id_token=GOOD, type=IdTokenEnum.ISO15693))
    assert not same_token(None, None)


def test_no_two_tokens_share_the_empty_group() -> None:
    empty = IdToken(id_token="", type=IdTokenEnum.CENTRAL)
    fleet = IdToken(id_token="FLEET", type=IdTokenEnum.CENTRAL)
    assert not same_group(empty, empty)
    assert not same_group(None, None)
    assert same_group(fleet, IdToken(id_token="fleet", type=IdTokenEnum.CENTRAL))


def test_C04_FR_04_a_pin_is_never_shown() -> None:
    assert "1234" not in shown(IdToken(id_token="12345678", type=IdTokenEnum.KEY_CODE))
    assert shown(CARD) == "04…DD(ISO14443)"
    assert GOOD not in shown(CARD)
