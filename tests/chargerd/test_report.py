"""What people are told about the station: all of it, and nobody's token."""

from chargerd.evse.types import PilotState
from chargerd.limits import Limit
from chargerd.report import StationReport, station_report
from tests.chargerd.ocpp.building import GOOD, Rig, board, tx_settings


def report(rig: Rig) -> StationReport:
    return station_report(rig.station, rig.clock.now(), link_open=True)


def test_a_station_without_a_control_process_says_so_and_why_no_energy_flows() -> None:
    told = report(Rig(facts=board(2)))
    assert told.control_run_id is None
    assert told.loop is None
    assert [evse.evse_id for evse in told.evses] == [1, 2]
    assert told.evses[0].charging is None
    assert told.evses[0].why_not == ("the control process is silent",)
    assert told.evses[0].meter_age_s is None
    assert told.evses[0].limits == ()


def test_it_names_the_station_and_where_it_stands_with_its_csms() -> None:
    rig = Rig()
    told = report(rig)
    assert (told.vendor, told.model, told.serial, told.firmware_version, told.simulated) == ("V", "M", "S", "1.0", True)
    assert told.link.identity == "CS-1"
    assert told.link.url == "ws://csms.invalid"
    assert (told.link.registration, told.link.open, told.link.queued) == ("Accepted", True, 0)
    rig.csms.answers["TransactionEvent"] = None
    rig.status()
    rig.plug_in()
    rig.tap()
    assert report(rig).link.queued > 0


def test_a_transaction_the_meters_age_and_reasons_in_words_are_told() -> None:
    rig = Rig(tx_settings("EVConnected", "EVConnected"))
    rig.status(pilot_state=PilotState.A, why_not=("not_permitted", "not_connected"))
    evse = report(rig).evses[0]
    assert evse.transaction is None
    assert "nobody is authorised" in evse.why_not
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.meter(5.0, amps=16.0)
    rig.advance(0.5)
    evse = report(rig).evses[0]
    assert evse.transaction is not None
    assert evse.transaction.transaction_id == rig.events()[0]["transactionInfo"]["transactionId"]
    assert (evse.transaction.authorized, evse.transaction.charging_state) == (True, "Charging")
    assert evse.connector_status == "Occupied"
    assert evse.meter_age_s == 0.5


def test_the_limit_table_is_told_with_its_winner_its_fallbacks_and_how_long_a_row_still_holds() -> None:
    rig = Rig()
    rig.status()
    until_mono = rig.clock.now().mono + 20.0
    rows = (Limit("board", 32.0), Limit("external", 8.0, fallback=True), Limit("csms", 10.0, until_mono, 6.0))
    rig.status(limits=rows, limit=rows[1])
    rig.advance(0.5)
    told = report(rig).evses[0].limits
    assert [(row.source, row.amps, row.wins, row.fallback, row.left_s) for row in told] == [
        ("board", 32.0, False, False, None),
        ("external", 8.0, True, True, None),
        ("csms", 10.0, False, False, 19.5),
    ]


def test_no_token_and_no_password_is_in_the_report() -> None:
    rig = Rig()
    rig.status()
    rig.plug_in()
    rig.tap(GOOD)
    rig.charge()
    told = report(rig)
    assert told.evses[0].charging is not None
    assert told.evses[0].charging.token is None
    assert GOOD not in repr(told)
    assert "0123456789abcdef" not in repr(told)
