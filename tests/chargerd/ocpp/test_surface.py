"""The lines of the display, from what the station knows."""

import msgspec

from chargerd.evse.types import ActiveFault
from tests.chargerd.ocpp.building import Rig


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
