"""Block D through a whole station: what the CSMS sends, and what it answers."""

from typing import Any

import pytest

from chargerd.ocpp import local_auth_list
from chargerd.ocpp.local_auth_list import NAMESPACE, STATE_KEY, STATE_NAMESPACE
from chargerd.ocpp.messages.enums import IdTokenEnum
from chargerd.ocpp.messages.types import IdToken
from chargerd.store import Store
from tests.chargerd.ocpp.building import GOOD, Rig

OTHER = "0411223344"
CARD = IdToken(id_token=GOOD, type=IdTokenEnum.ISO14443)


def entry(uid: str = GOOD, status: str | None = "Accepted", **more: Any) -> dict[str, Any]:
    token = {"idToken": {"idToken": uid, "type": "ISO14443"}}
    return token if status is None else token | {"idTokenInfo": {"status": status} | more}


def send(rig: Rig, version: int, *entries: dict[str, Any], update: str = "Full") -> str:
    listed = {"localAuthorizationList": list(entries)} if entries else {}
    return str(rig.call("SendLocalList", versionNumber=version, updateType=update, **listed)["status"])


def version(rig: Rig) -> int:
    return int(rig.call("GetLocalListVersion")["versionNumber"])


def status_of(rig: Rig, uid: str = GOOD) -> str | None:
    info = rig.station.local_list.find(IdToken(id_token=uid, type=IdTokenEnum.ISO14443))
    return None if info is None else str(info.status)


def entries(rig: Rig, variable: str = "Entries") -> str:
    wanted = {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": variable}}
    return str(rig.call("GetVariables", getVariableData=[wanted])["getVariableResult"][0]["attributeValue"])


def test_D02_FR_02_without_a_list_the_version_is_0() -> None:
    assert version(Rig()) == 0


def test_D01_FR_01_D01_FR_15_D02_FR_01_a_full_list_replaces_what_was_there() -> None:
    rig = Rig()
    assert send(rig, 5, entry(GOOD), entry(OTHER)) == "Accepted"
    assert (version(rig), entries(rig)) == (5, "2")
    assert send(rig, 3, entry(OTHER, "Blocked")) == "Accepted"
    assert (version(rig), entries(rig)) == (3, "1")
    assert (status_of(rig), status_of(rig, OTHER)) == (None, "Blocked")


def test_D01_FR_04_a_full_list_without_entries_empties_it_and_keeps_the_version() -> None:
    rig = Rig()
    send(rig, 5, entry())
    assert send(rig, 6) == "Accepted"
    assert (version(rig), entries(rig), status_of(rig)) == (6, "0", None)


def test_D01_FR_16_D01_FR_17_a_differential_list_adds_changes_and_removes() -> None:
    rig = Rig()
    send(rig, 1, entry(GOOD), entry("AA"))
    changes = (entry(GOOD, "Expired"), entry(OTHER), entry("AA", None), entry("BB", None))
    assert send(rig, 2, *changes, update="Differential") == "Accepted"
    assert (version(rig), entries(rig)) == (2, "2")
    assert [status_of(rig, uid) for uid in (GOOD, OTHER, "AA")] == ["Expired", "Accepted", None]


def test_D01_FR_05_a_differential_list_without_entries_only_moves_the_version() -> None:
    rig = Rig()
    send(rig, 1, entry())
    assert send(rig, 2, update="Differential") == "Accepted"
    assert (version(rig), status_of(rig)) == (2, "Accepted")


@pytest.mark.parametrize("late", [3, 4])
def test_D01_FR_19_a_differential_list_that_is_not_newer_changes_nothing(late: int) -> None:
    rig = Rig()
    send(rig, 4, entry())
    assert send(rig, late, entry(OTHER), update="Differential") == "VersionMismatch"
    assert (version(rig), status_of(rig, OTHER)) == (4, None)


@pytest.mark.parametrize(
    "version_number, sent",
    [(0, [entry()]), (-1, [entry()]), (9, [entry(GOOD), entry(GOOD.lower())]), (9, [entry(GOOD, None)])],
    ids=["version 0", "version below 0", "twice", "no info"],
)
def test_D01_FR_06_a_list_that_cannot_be_right_changes_nothing(version_number: int, sent: list[dict[str, Any]]) -> None:
    rig = Rig()
    send(rig, 4, entry(OTHER))
    assert send(rig, version_number, *sent) == "Failed"
    assert (version(rig), status_of(rig), status_of(rig, OTHER)) == (4, None, "Accepted")


def test_a_list_that_would_be_too_long_fails_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_auth_list, "MAX_ENTRIES", 2)
    rig = Rig()
    assert send(rig, 1, entry("A1"), entry("A2"), entry("A3")) == "Failed"
    assert send(rig, 1, entry("A1"), entry("A2")) == "Accepted"
    assert send(rig, 2, entry("A3"), update="Differential") == "Failed"
    assert send(rig, 2, entry("A3"), entry("A1", None), update="Differential") == "Accepted"


def test_D01_FR_11_more_entries_than_a_message_may_have_are_refused() -> None:
    rig = Rig()
    answer = rig.call("SendLocalList", versionNumber=1, updateType="Full", localAuthorizationList=[entry()] * 251)
    assert answer["errorCode"] == "OccurrenceConstraintViolation"


def test_more_bytes_than_a_message_may_have_are_refused_and_change_nothing() -> None:
    rig = Rig()
    send(rig, 1, entry())
    message = {"format": "ASCII", "content": "x" * 500}
    many = [entry(f"{number:08X}", personalMessage=message) for number in range(95)]
    answer = rig.call("SendLocalList", versionNumber=2, updateType="Full", localAuthorizationList=many)
    assert answer["errorCode"] == "FormatViolation"
    assert (version(rig), entries(rig)) == (1, "1")


def test_an_entry_with_more_than_is_kept_of_a_token_fails_and_changes_nothing() -> None:
    rig = Rig()
    send(rig, 1, entry())
    assert send(rig, 2, entry(OTHER, evseId=list(range(1, 1000)))) == "Failed"
    assert (version(rig), status_of(rig), status_of(rig, OTHER)) == (1, "Accepted", None)


def test_the_list_tells_how_much_it_takes() -> None:
    rig = Rig()
    assert entries(rig, "Storage") == "0"
    send(rig, 1, entry(), entry(OTHER))
    both = int(entries(rig, "Storage"))
    send(rig, 2, entry(OTHER, None), update="Differential")
    assert int(entries(rig, "Storage")) * 2 == both > 0


_FAULTS = [
    {"updateType": "Full"},
    {"versionNumber": 2},
    {"versionNumber": "2", "updateType": "Full"},
    {"versionNumber": 2.5, "updateType": "Full"},
    {"versionNumber": 2, "updateType": "Half"},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": []},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": {}},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [{}]},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [entry(OTHER, "Welcome")]},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [entry("x" * 37)]},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [entry(OTHER, evseId=[])]},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [entry(OTHER, cacheExpiryDateTime="soon")]},
    {"versionNumber": 2, "updateType": "Full", "localAuthorizationList": [entry() | {"more": 1}]},
    {"versionNumber": 2, "updateType": "Full", "more": 1},
]


@pytest.mark.parametrize("payload", _FAULTS, ids=str)
def test_what_is_no_list_is_answered_with_one_error_and_changes_nothing(payload: dict[str, Any]) -> None:
    rig = Rig()
    send(rig, 1, entry())
    before = len(rig.frames)
    assert rig.call("SendLocalList", **payload)["errorCode"]
    assert len(rig.frames) == before + 1
    assert (version(rig), entries(rig), status_of(rig)) == (1, "1", "Accepted")


def test_D02_FR_03_a_list_that_is_switched_off_has_version_0_takes_nothing_and_is_not_used() -> None:
    rig = Rig({"LocalAuthListCtrlr.Enabled": "false"})
    assert send(rig, 1, entry()) == "Failed"
    assert (version(rig), status_of(rig)) == (0, None)


def test_D01_FR_09_the_list_outlives_a_restart_and_is_changed_by_nothing_else() -> None:
    rig = Rig()
    send(rig, 7, entry(), entry(OTHER, "Blocked"))
    rig.call("ClearCache")
    again = Rig(store=rig.store)
    assert (version(again), entries(again)) == (7, "2")
    assert (status_of(again), status_of(again, OTHER)) == ("Accepted", "Blocked")


def test_a_list_of_another_version_of_the_software_is_forgotten_and_can_be_sent_anew() -> None:
    store = Store(":memory:")
    store.put(STATE_NAMESPACE, STATE_KEY, {"nonsense": True})
    rig = Rig(store=store)
    assert version(rig) == 0
    assert send(rig, 1, entry()) == "Accepted"


def test_an_entry_that_cannot_be_read_counts_as_unknown() -> None:
    rig = Rig()
    send(rig, 1, entry())
    key = rig.store.items(NAMESPACE, dict)[0][0]
    rig.store.put(NAMESPACE, key, {"status": "Nonsense"})
    assert status_of(rig) is None
