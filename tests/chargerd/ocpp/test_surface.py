"""The lines of the display, from what the station knows."""

import msgspec
import pytest

from chargerd.evse.types import ActiveFault
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig


def lines(rig: Rig) -> tuple[str, ...]:
    return rig.orders().message


def ready() -> Rig:
    rig = Rig()
    rig.status()
    rig.advance(1.0)
    return rig


def test_from_the_free_outlet_to_the_charge_and_back() -> None:
    rig = ready()
    assert lines(rig) == ("Available",)
    rig.plug_in()
    assert lines(rig)[0] in {"Show your card", "Starting"}
    rig.meter(1000.0)
    rig.unplug()
    rig.status(plugged_wh=1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.advance(10.0)
    rig.meter(3500.0, amps=10.0)
    rig.advance(3.0)
    assert lines(rig) == ("Charging", "6.9 kW  2.50 kWh")
    rig.ev_pauses()
    assert lines(rig)[0] == "Car is pausing"
    rig.unplug()
    assert lines(rig) == ("Available",)


@pytest.mark.parametrize(
    "language1, language2, first",
    [("de-AT", "en", "Lädt"), ("sv", "nl", "Laadt"), ("sv", "fi", "Charging"), (None, None, "Charging")],
)
def test_C01_FR_08_C01_FR_09_C01_FR_13_the_driver_is_told_in_a_language_of_his(
    language1: str | None, language2: str | None, first: str
) -> None:
    rig = ready()
    both = {"language1": language1, "language2": language2}
    rig.csms.tokens[GOOD] = {"status": "Accepted"} | {key: value for key, value in both.items() if value}
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.advance(100.0)
    assert lines(rig)[0] == first
    rig.unplug()
    rig.advance(11.0)
    assert lines(rig) == ("Available",)


def test_a_card_is_answered_in_words_too() -> None:
    rig = ready()
    rig.csms.tokens[GOOD] = {"status": "Blocked", "language1": "fr"}
    rig.tap()
    assert lines(rig) == ("Refusé",)
    rig.advance(4.0)
    assert lines(rig) == ("Libre",)
    rig.tap(OTHER)
    assert lines(rig) == ("Plug in",)
    rig.plug_in()
    rig.advance(5.0)
    assert lines(rig)[0] == "Starting"


def test_a_message_to_the_driver_stands_before_the_figures_for_a_while() -> None:
    rig = ready()
    text = {"format": "UTF8", "content": "0.50 EUR / kWh"}
    rig.csms.tokens[GOOD] = {"status": "Accepted", "personalMessage": text}
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.meter(1000.0, amps=10.0)
    rig.advance(4.0)
    assert lines(rig) == ("Charging", "0.50 EUR / kWh")
    rig.advance(10.0)
    assert lines(rig) == ("Charging", "6.9 kW")


def test_what_it_costs_is_shown_while_charging_and_a_little_longer() -> None:
    rig = ready()
    rig.csms.answers["TransactionEvent"] = lambda event: {"totalCost": 4.2 if event["eventType"] == "Ended" else 1.25}
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.meter(1000.0, amps=10.0)
    rig.advance(5.0)
    assert lines(rig) == ("Charging", "6.9 kW", "Cost 1.25")
    rig.unplug()
    assert lines(rig) == ("Available", "Cost 4.20")
    rig.advance(11.0)
    assert lines(rig) == ("Available",)


def test_running_figures_move_every_two_seconds_at_most() -> None:
    rig = ready()
    rig.plug_in()
    rig.tap()
    rig.charge()
    shown = set()
    for second in range(20):
        rig.advance(0.5)
        rig.meter(1000.0 + second, amps=10.0 + second)
        shown.add(lines(rig))
    assert 4 <= len(shown) <= 7


def test_a_fault_is_named_and_a_warning_is_not() -> None:
    rig = ready()
    rig.status(faults=(ActiveFault("cable_hot", 1.0, warning=True),))
    assert lines(rig) == ("Available",)
    rig.status(faults=(ActiveFault("cable_hot", 1.0, warning=True), ActiveFault("diode", 2.0)))
    assert lines(rig) == ("Fault", "diode")


def test_without_a_meter_there_are_no_figures() -> None:
    rig = ready()
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert lines(rig) == ("Charging",)


def test_without_a_register_at_the_plugging_in_there_is_power_only() -> None:
    rig = ready()
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.advance(10.0)
    rig.meter(3500.0, amps=10.0)
    rig.advance(3.0)
    assert lines(rig) == ("Charging", "6.9 kW")


def test_a_station_out_of_service_says_so() -> None:
    rig = ready()
    rig.call("ChangeAvailability", operationalStatus="Inoperative")
    assert lines(rig) == ("Out of service",)


def test_a_silent_control_process_is_a_fault() -> None:
    rig = ready()
    rig.status_lost()
    assert lines(rig) == ("Fault",)
    assert msgspec.json.encode(rig.orders())
