"""What the CSMS wants a driver to see, through a whole station."""

from typing import Any

import pytest

from chargerd.ocpp.driver_notices import MESSAGE_CHARACTERS, NOTICE_S, PRESENT_S
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig, board

LANGUAGES = {"status": "Accepted", "language1": "de", "language2": "en"}


def text(content: str, form: str = "UTF8") -> dict[str, str]:
    return {"format": form, "content": content}


def said(rig: Rig, evse_id: int = 1) -> str:
    return rig.station.notices.message(evse_id, rig.clock.now())


def cost(rig: Rig, evse_id: int = 1) -> float | None:
    return rig.station.notices.cost(evse_id, rig.clock.now())


def languages(rig: Rig, evse_id: int = 1) -> tuple[str, ...]:
    return rig.station.notices.languages(evse_id, rig.clock.now())


def charging(info: dict[str, Any], rig: Rig | None = None) -> Rig:
    rig = rig or Rig(facts=board(2))
    rig.csms.tokens[GOOD] = info
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def test_the_language_lasts_as_long_as_the_driver_is_there() -> None:
    rig = charging(LANGUAGES)
    assert (languages(rig), languages(rig, 2)) == (("de", "en"), ())
    rig.advance(PRESENT_S * 10)
    assert languages(rig) == ("de", "en")
    rig.unplug()
    assert languages(rig) == ("de", "en")
    rig.advance(NOTICE_S)
    assert languages(rig) == ()


def test_who_was_refused_is_forgotten_after_a_while() -> None:
    rig = Rig()
    rig.status()
    rig.csms.tokens[GOOD] = LANGUAGES | {"status": "Blocked"}
    rig.tap()
    assert languages(rig) == ("de", "en")
    rig.advance(PRESENT_S)
    assert languages(rig) == ()


def test_a_strangers_card_changes_no_language_while_somebody_charges() -> None:
    rig = charging(LANGUAGES)
    rig.csms.tokens[OTHER] = {"status": "Blocked", "language1": "fr"}
    rig.tap(OTHER)
    assert languages(rig) == ("de", "en")


def test_a_message_is_one_line_of_bounded_length_and_passes() -> None:
    rig = charging(LANGUAGES | {"personalMessage": text("Hello,\n  driver " + "x" * 400)})
    assert said(rig).startswith("Hello, driver x")
    assert len(said(rig)) == MESSAGE_CHARACTERS
    rig.advance(NOTICE_S)
    assert said(rig) == ""


@pytest.mark.parametrize("form", ["HTML", "URI"])
def test_what_no_display_here_can_show_is_left_out(form: str) -> None:
    rig = charging(LANGUAGES | {"personalMessage": text("https://example.org", form)})
    assert said(rig) == ""
    assert any(f"in {form} cannot be shown" in note for note in rig.notes())


def test_a_message_in_the_answer_to_an_event_is_for_the_driver_of_that_transaction() -> None:
    rig = Rig(facts=board(2))
    rig.csms.answers["TransactionEvent"] = {"updatedPersonalMessage": text("Please move on"), "totalCost": 2.5}
    charging({"status": "Accepted"}, rig)
    assert (said(rig), said(rig, 2)) == ("Please move on", "")
    assert (cost(rig), cost(rig, 2)) == (2.5, None)


def test_a_message_about_the_token_may_come_with_an_event_too() -> None:
    rig = Rig()
    told = {"status": "Accepted", "personalMessage": text("Welcome")}
    rig.csms.answers["TransactionEvent"] = lambda event: {"idTokenInfo": told} if "idToken" in event else {}
    charging({"status": "Accepted"}, rig)
    assert said(rig) == "Welcome"


def test_the_next_transaction_begins_without_the_cost_of_the_last() -> None:
    rig = Rig()
    rig.csms.answers["TransactionEvent"] = {"totalCost": 2.5}
    charging({"status": "Accepted"}, rig)
    rig.unplug()
    rig.csms.answers["TransactionEvent"] = {}
    charging({"status": "Accepted"}, rig)
    assert cost(rig) is None


def test_an_answer_that_comes_when_the_driver_has_left_long_ago_tells_nobody() -> None:
    rig = charging({"status": "Accepted"})
    rig.link_down()
    rig.unplug()
    rig.advance(600.0)
    rig.csms.answers["TransactionEvent"] = {"totalCost": 9.0, "updatedPersonalMessage": text("Thank you")}
    rig.link_up()
    assert [event["eventType"] for event in rig.events()][-1] == "Ended"
    assert (cost(rig), said(rig)) == (None, "")
