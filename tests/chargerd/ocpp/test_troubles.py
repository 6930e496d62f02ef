"""What only the station process sees: no CSMS, a weak radio link, nobody who authorises."""

from chargerd.ocpp.events import SignalMeasured
from tests.chargerd.ocpp.building import Rig, board

TIMEOUT = {"TxCtrlr.EVConnectionTimeOut": "30"}


def of_station(rig: Rig) -> list[str]:
    return [fault.code for fault in rig.station.troubles.of_station()]


def of_evse(rig: Rig, evse_id: int = 1) -> list[str]:
    return [fault.code for fault in rig.station.troubles.of_evse(evse_id)]


def ready(evses: int = 1, *, online: bool = True) -> Rig:
    rig = Rig(TIMEOUT, facts=board(evses), online=online)
    rig.status()
    return rig


def test_a_minute_without_a_csms_is_told_until_it_is_back() -> None:
    rig = ready()
    rig.link_down()
    rig.advance(59.0)
    assert of_station(rig) == []
    rig.advance(2.0)
    assert of_station(rig) == ["no_csms"]
    rig.advance(600.0)
    assert of_station(rig) == ["no_csms"]
    rig.link_up()
    assert of_station(rig) == []


def test_a_csms_that_was_never_there_is_told_as_well() -> None:
    rig = ready(online=False)
    rig.advance(61.0)
    assert of_station(rig) == ["no_csms"]


def test_a_short_outage_is_not_worth_a_word() -> None:
    rig = ready()
    for _ in range(5):
        rig.link_down()
        rig.advance(30.0)
        rig.link_up()
        rig.advance(30.0)
        assert of_station(rig) == []


def test_a_weak_signal_is_told_until_it_is_clearly_better_or_gone() -> None:
    rig = ready()
    for dbm, told in ((-60.0, []), (-85.0, ["weak_signal"]), (-78.0, ["weak_signal"]), (-70.0, []), (-78.0, [])):
        rig.feed(SignalMeasured(dbm))
        assert of_station(rig) == told, dbm
    rig.feed(SignalMeasured(-90.0))
    rig.feed(SignalMeasured(None))
    assert of_station(rig) == []


def test_the_weak_signal_tells_its_level() -> None:
    rig = ready()
    rig.feed(SignalMeasured(-85.4))
    (fault,) = rig.station.troubles.of_station()
    assert (fault.detail, fault.warning) == ("-85 dBm", True)


def test_a_vehicle_that_nobody_authorises_in_time_is_told_until_it_leaves() -> None:
    rig = ready(2)
    rig.plug_in(2)
    rig.advance(29.0)
    assert of_evse(rig, 2) == []
    rig.advance(2.0)
    assert (of_evse(rig, 1), of_evse(rig, 2)) == ([], ["authorization_timeout"])
    rig.unplug(2)
    assert of_evse(rig, 2) == []


def test_one_that_is_authorised_in_time_is_not_even_when_its_charge_has_ended() -> None:
    rig = ready()
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.advance(5.0)
    rig.tap()
    rig.advance(120.0)
    assert of_evse(rig) == []


def test_an_authorization_after_the_time_ends_the_warning() -> None:
    rig = ready()
    rig.plug_in()
    rig.advance(31.0)
    assert of_evse(rig) == ["authorization_timeout"]
    rig.tap()
    assert of_evse(rig) == []


def test_a_new_control_process_has_not_seen_the_vehicle_yet() -> None:
    rig = ready()
    rig.plug_in()
    rig.advance(31.0)
    rig.control_restarts("run-2")
    assert of_evse(rig) == []


def test_warnings_hold_no_connector_back() -> None:
    rig = ready()
    rig.plug_in()
    rig.advance(31.0)
    assert str(rig.station.availability.status(1)) == "Occupied"
