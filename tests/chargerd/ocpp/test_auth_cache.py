"""The authorization cache through a whole station."""

from typing import Any

import pytest

from chargerd.ocpp import auth_cache
from chargerd.ocpp.auth_cache import NAMESPACE
from chargerd.ocpp.messages.authorization import AuthorizeResponse
from chargerd.ocpp.messages.enums import AuthorizationStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo, MessageContent
from tests.chargerd.ocpp.building import GOOD, Rig

DAY_S = 86_400
CARD = IdToken(id_token=GOOD, type=IdTokenEnum.ISO14443)


def token(uid: str) -> IdToken:
    return IdToken(id_token=uid, type=IdTokenEnum.ISO14443)


def learn(rig: Rig, uid: str = GOOD, status: AuthorizationStatus = AuthorizationStatus.ACCEPTED, **more: Any) -> None:
    rig.station.auth_cache.learn(token(uid), IdTokenInfo(status=status, **more), rig.clock.now())


def known(rig: Rig, uid: str = GOOD) -> str | None:
    info = rig.station.auth_cache.find(token(uid), rig.clock.now())
    return None if info is None else str(info.status)


def stored(rig: Rig) -> int:
    return len(rig.store.items(NAMESPACE, auth_cache.CacheEntry))


@pytest.mark.parametrize("status", list(AuthorizationStatus))
def test_C10_FR_01_whatever_was_heard_last_of_a_token_is_kept(status: AuthorizationStatus) -> None:
    rig = Rig()
    learn(rig)
    learn(rig, status=status)
    assert known(rig) == status
    assert stored(rig) == 1


def test_C10_FR_02_the_cache_outlives_a_restart() -> None:
    rig = Rig()
    learn(rig)
    assert known(Rig(store=rig.store)) == "Accepted"


def test_C10_FR_04_an_answer_to_authorize_is_kept() -> None:
    rig = Rig()
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.station.authorization.authorize(CARD, 1, rig.clock.now(), lambda _verdict, _now: None)
    rig.status()
    assert known(rig) == "Blocked"


def test_C10_FR_05_what_the_csms_says_to_a_transaction_event_is_kept() -> None:
    rig = Rig()
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Expired"}}
    rig.plug_in()
    rig.tap(GOOD)
    assert known(rig) == "Expired"


@pytest.mark.parametrize("kind", [IdTokenEnum.CENTRAL, IdTokenEnum.NO_AUTHORIZATION])
def test_C02_FR_03_C03_FR_02_C05_FR_02_what_needs_no_authorization_is_not_kept(kind: IdTokenEnum) -> None:
    rig = Rig()
    learned = IdTokenInfo(status=AuthorizationStatus.ACCEPTED)
    rig.station.auth_cache.learn(IdToken(id_token="X", type=kind), learned, rig.clock.now())
    assert stored(rig) == 0


@pytest.mark.parametrize("policy, gone", [("LRU", "B"), ("LFU", "C"), ("FIFO", "A")])
def test_C10_FR_07_a_full_cache_makes_room_by_its_policy(
    policy: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth_cache, "MAX_ENTRIES", 3)
    rig = Rig({"AuthCacheCtrlr.Policy": policy})
    for uid in ("A", "B", "B", "C", "A"):  # in the order of first use A B C, of last use B C A, seldom C
        rig.advance(1)
        learn(rig, uid)
    learn(rig, "D")
    assert [uid for uid in "ABCD" if known(rig, uid) is None] == [gone]
    assert stored(rig) == 3


def test_C10_FR_07_tokens_that_are_not_accepted_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_cache, "MAX_ENTRIES", 2)
    rig = Rig()
    learn(rig, "A")
    rig.advance(1)
    learn(rig, "B", AuthorizationStatus.BLOCKED)
    learn(rig, "C")
    assert (known(rig, "A"), known(rig, "B"), known(rig, "C")) == ("Accepted", None, "Accepted")


def test_C10_FR_08_C10_FR_10_a_token_is_forgotten_when_its_life_time_is_over_since_last_use() -> None:
    rig = Rig({"AuthCacheCtrlr.LifeTime": str(DAY_S)})
    learn(rig)
    rig.advance(DAY_S - 1)
    rig.station.auth_cache.used(CARD, rig.clock.now())
    rig.advance(DAY_S - 1)
    assert known(rig) == "Accepted"
    rig.advance(1)
    assert known(rig) is None
    assert stored(rig) == 0


def test_C10_FR_13_a_token_is_forgotten_when_the_csms_said_so() -> None:
    rig = Rig()
    learn(rig, cache_expiry_date_time=rig.clock.now().utc_at(rig.clock.monotonic() + 60))
    rig.advance(59)
    assert known(rig) == "Accepted"
    rig.advance(1)
    assert known(rig) is None


def test_what_has_expired_when_it_is_heard_is_not_kept_and_takes_away_what_was() -> None:
    rig = Rig()
    learn(rig)
    learn(rig, cache_expiry_date_time=rig.clock.now().utc_at(rig.clock.monotonic() - 1))
    assert known(rig) is None
    assert stored(rig) == 0


def test_C10_FR_09_what_was_said_to_the_driver_is_not_kept() -> None:
    rig = Rig()
    learn(rig, personal_message=MessageContent(format="UTF8", content="0.50 EUR per kWh"))  # type: ignore[arg-type]
    info = rig.station.auth_cache.find(CARD, rig.clock.now())
    assert info is not None
    assert info.personal_message is None


def test_C10_FR_11_a_cache_that_is_switched_off_says_nothing_and_forgets_nothing() -> None:
    rig = Rig()
    learn(rig)
    off = Rig({"AuthCacheCtrlr.Enabled": "false"}, store=rig.store)
    learn(off, "0411223344")
    assert known(off) is None
    on = Rig(store=rig.store)
    assert (known(on), known(on, "0411223344")) == ("Accepted", None)


def test_C11_FR_01_C11_FR_02_C11_FR_03_clearing_the_cache_forgets_every_token() -> None:
    rig = Rig()
    learn(rig)
    assert rig.call("ClearCache")["status"] == "Accepted"
    assert known(rig) is None
    assert stored(rig) == 0


def test_C11_FR_04_clearing_a_cache_that_is_switched_off_is_rejected() -> None:
    answer = Rig({"AuthCacheCtrlr.Enabled": "false"}).call("ClearCache")
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NotEnabled")


def test_an_entry_that_cannot_be_read_is_set_aside_and_the_others_are_there() -> None:
    rig = Rig()
    learn(rig)
    rig.store.put(NAMESPACE, "ab", {"nonsense": True})
    again = Rig(store=rig.store)
    assert known(again) == "Accepted"
    assert stored(again) == 1
    assert any("ab was set aside" in note for note in again.notes())


def test_more_than_is_kept_of_a_token_is_not_kept_and_takes_away_what_was() -> None:
    rig = Rig()
    learn(rig)
    learn(rig, evse_id=tuple(range(1, 1000)))
    assert known(rig) is None
    assert stored(rig) == 0


def test_the_cache_tells_how_much_it_takes_and_could_take() -> None:
    rig = Rig()
    assert storage(rig) == 0
    learn(rig)
    one = storage(rig)
    learn(rig, "0411223344")
    assert 50 < one < auth_cache.MAX_ENTRY_BYTES
    assert storage(rig) == 2 * one


def storage(rig: Rig) -> int:
    wanted = {"component": {"name": "AuthCacheCtrlr"}, "variable": {"name": "Storage"}}
    return int(rig.call("GetVariables", getVariableData=[wanted])["getVariableResult"][0]["attributeValue"])


def test_a_session_costs_no_commit_for_the_cache() -> None:
    def commits(settings: dict[str, str]) -> int:
        rig = Rig(settings)
        rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Accepted"}}
        before = rig.store.commits
        rig.plug_in()
        rig.tap()
        rig.charge()
        rig.tap()
        rig.evse_pauses()
        rig.unplug()
        assert [event["eventType"] for event in rig.events()][-1] == "Ended"
        return rig.store.commits - before

    assert commits({}) == commits({"AuthCacheCtrlr.Enabled": "false"})


def test_C10_FR_12_no_token_stands_in_the_file_in_plain_text() -> None:
    rig = Rig()
    learn(rig, group_id_token=None)
    for key, entry in rig.store.items(NAMESPACE, auth_cache.CacheEntry):
        assert GOOD.lower() not in f"{key}{entry}".lower()


def test_an_answer_without_a_message_is_kept_as_it_is() -> None:
    response = AuthorizeResponse(id_token_info=IdTokenInfo(status=AuthorizationStatus.ACCEPTED, charging_priority=3))
    rig = Rig()
    rig.station.auth_cache.learn(CARD, response.id_token_info, rig.clock.now())
    assert rig.station.auth_cache.find(CARD, rig.clock.now()) == response.id_token_info
