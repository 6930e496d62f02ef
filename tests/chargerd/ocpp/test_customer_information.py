"""What is known of a customer, told and forgotten, through a whole station."""

from datetime import timedelta
from typing import Any

import pytest

from chargerd.ocpp.customer_information import CLEARED, NOTHING_FOUND, PART_CHARACTERS
from chargerd.ocpp.messages.enums import AuthorizationStatus, IdTokenEnum
from chargerd.ocpp.messages.types import IdToken, IdTokenInfo
from tests.chargerd.ocpp.building import GOOD, Rig

CARD = {"idToken": GOOD, "type": "ISO14443"}
OTHER = {"idToken": "0badcafe", "type": "ISO14443"}
CERTIFICATE = {"hashAlgorithm": "SHA256", "issuerNameHash": "0a", "issuerKeyHash": "0b", "serialNumber": "0c"}


def learn(rig: Rig, **more: Any) -> None:
    info = IdTokenInfo(status=AuthorizationStatus.ACCEPTED, **more)
    rig.station.auth_cache.learn(IdToken(id_token=GOOD, type=IdTokenEnum.ISO14443), info, rig.clock.now())


def asked(rig: Rig, request_id: int = 1, *, report: bool = False, clear: bool = False, **who: Any) -> Any:
    return rig.call("CustomerInformation", requestId=request_id, report=report, clear=clear, **who)


def told(rig: Rig, request_id: int = 1) -> list[Any]:
    return [each for each in rig.sent("NotifyCustomerInformation") if each["requestId"] == request_id]


def text(rig: Rig, request_id: int = 1) -> str:
    parts = told(rig, request_id)
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part.get("tbc", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    assert all(0 < len(part["data"]) <= PART_CHARACTERS for part in parts)
    return "".join(part["data"] for part in parts)


def test_N09_FR_02_N09_FR_05_all_that_is_known_of_a_card_is_told() -> None:
    rig = Rig()
    rig.status()
    learn(rig, language1="de")
    rig.call(
        "SendLocalList",
        versionNumber=1,
        updateType="Full",
        localAuthorizationList=[{"idToken": CARD, "idTokenInfo": {"status": "Blocked"}}],
    )
    expiry = (rig.clock.now().utc + timedelta(hours=1)).isoformat()
    assert rig.call("ReserveNow", id=7, expiryDateTime=expiry, idToken=CARD)["status"] == "Accepted"
    assert asked(rig, report=True, idToken=CARD | {"idToken": GOOD.upper()}) == {"status": "Accepted"}
    cache, in_list, reservation = text(rig).splitlines()
    assert cache.startswith("authorization cache:")
    assert '"language1":"de"' in cache
    assert in_list.startswith("local authorization list:")
    assert "Blocked" in in_list
    assert reservation.startswith("reservation 7: until ")
    assert asked(rig, 2, report=True, idToken=OTHER) == {"status": "Accepted"}
    assert text(rig, 2) == NOTHING_FOUND  # N09.FR.06


def test_a_transaction_is_told_of_for_as_long_as_it_runs() -> None:
    rig = Rig()
    rig.status()
    rig.plug_in()
    rig.tap()
    rig.charge()
    asked(rig, report=True, clear=True, idToken=CARD)
    assert "transaction " in text(rig)
    asked(rig, 2, report=True, idToken=CARD)
    assert text(rig, 2).startswith("transaction ")
    assert "\n" not in text(rig, 2)


def test_N10_FR_01_N10_FR_03_what_is_forgotten_is_told_and_the_list_is_left_to_the_csms() -> None:
    rig = Rig()
    learn(rig)
    rig.call(
        "SendLocalList",
        versionNumber=1,
        updateType="Full",
        localAuthorizationList=[{"idToken": CARD, "idTokenInfo": {"status": "Accepted"}}],
    )
    asked(rig, report=True, clear=True, idToken=CARD)
    assert "authorization cache" in text(rig)
    again = Rig(store=rig.store)
    asked(again, 2, report=True, idToken=CARD)
    assert text(again, 2).startswith("local authorization list:")
    assert again.call("GetLocalListVersion")["versionNumber"] == 1


def test_N10_FR_04_N10_FR_06_one_message_says_that_there_was_nothing_or_that_it_is_gone() -> None:
    rig = Rig()
    asked(rig, report=True, clear=True, idToken=CARD)
    assert text(rig) == NOTHING_FOUND
    learn(rig)
    asked(rig, 2, clear=True, idToken=CARD)
    assert text(rig, 2) == CLEARED
    asked(rig, 3, report=True, idToken=CARD)
    assert text(rig, 3) == NOTHING_FOUND


def test_N09_FR_05_much_is_told_in_parts() -> None:
    rig = Rig()
    learn(rig, evse_id=tuple(range(1, 300)))
    asked(rig, report=True, idToken=CARD)
    assert ",299]" in text(rig)
    assert len(told(rig)) > 2


@pytest.mark.parametrize(
    "who", [{}, {"idToken": CARD, "customerIdentifier": "A"}, {"idToken": CARD} | {"customerCertificate": CERTIFICATE}]
)
def test_N09_FR_09_a_customer_has_to_be_named_in_one_way(who: dict[str, Any]) -> None:
    rig = Rig()
    learn(rig)
    assert asked(rig, report=True, clear=True, **who)["status"] == "Invalid"
    assert told(rig) == []
    asked(rig, 2, report=True, idToken=CARD)
    assert "authorization cache" in text(rig, 2)


@pytest.mark.parametrize("who", [{"customerIdentifier": "A"}, {"customerCertificate": CERTIFICATE}])
def test_nobody_is_known_by_a_name_or_a_certificate(who: dict[str, Any]) -> None:
    rig = Rig()
    assert asked(rig, report=True, clear=True, **who)["status"] == "Accepted"
    assert text(rig) == NOTHING_FOUND


def test_N09_FR_07_N10_FR_07_to_do_nothing_is_rejected() -> None:
    rig = Rig()
    assert asked(rig, idToken=CARD)["status"] == "Rejected"
    assert told(rig) == []


def test_what_was_forgotten_is_told_although_the_link_breaks_and_the_station_restarts() -> None:
    rig = Rig()
    learn(rig)
    rig.csms.answers["NotifyCustomerInformation"] = None
    asked(rig, report=True, clear=True, idToken=CARD)
    again = Rig(store=rig.store)
    assert "authorization cache" in text(again)
