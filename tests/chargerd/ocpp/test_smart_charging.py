"""Block K on a whole station: profiles come in, limits go out to the control process."""

from datetime import timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.limits import Limit
from chargerd.ocpp.events import TimeStepped
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board, tx_settings
from tests.chargerd.ocpp.profiling import (
    START,
    charging,
    csms_amps,
    periods,
    profile,
    set_profile,
    shelf,
    stamp,
    station,
)

# ------------------------------------------------------------------ the limit now


def test_K02_FR_02_without_profiles_the_csms_has_no_row() -> None:
    rig = station()
    charging(rig)
    assert csms_amps(rig) is None


def test_K02_FR_02_a_tx_profile_is_obeyed_at_once() -> None:
    rig = station()
    transaction_id = charging(rig)
    answer = set_profile(rig, {0: 10.0}, purpose="TxProfile", transactionId=transaction_id)
    assert answer == {"status": "Accepted"}
    assert rig.orders().limits == (Limit("csms", 10.0),)


def test_K01_FR_49_a_period_for_one_phase_connects_one_phase_where_the_board_has_three() -> None:
    rig = station(facts=board(has_phase_switch=True))
    charging(rig)
    set_profile(rig, {0: 12.0})
    assert rig.orders().phases is None
    answer = rig.call("SetChargingProfile", evseId=1, chargingProfile=one_phase())
    assert answer["status"] == "Accepted", answer
    assert rig.orders().phases == 1


def one_phase() -> Payload:
    changed = profile({0: 12.0})
    for schedule in changed["chargingSchedule"]:
        for period in schedule["chargingSchedulePeriod"]:
            period["numberPhases"] = 1
    return changed


def test_K01_FR_32_a_running_transaction_switches_to_the_new_default() -> None:
    rig = station()
    charging(rig)
    set_profile(rig, {0: 12.0})
    assert csms_amps(rig) == 12.0
    set_profile(rig, {0: 9.0})
    assert csms_amps(rig) == 9.0


def test_K01_FR_14_a_default_on_evse_0_holds_on_every_evse() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 12.0}, evse_id=0)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [12.0, 12.0]


def test_K01_FR_15_a_default_on_one_evse_holds_there_only() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 12.0}, evse_id=2)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [None, 12.0]


def test_K01_FR_07_after_each_accepted_profile_it_is_decided_anew_which_one_leads() -> None:
    rig = station()
    charging(rig)
    found = []
    for profile_id, level, amps in ((1, 0, 8.0), (2, 2, 12.0), (3, 1, 10.0)):
        set_profile(rig, {0: amps}, id=profile_id, stackLevel=level)
        found.append(csms_amps(rig))
    assert found == [8.0, 12.0, 12.0]


def test_K02_FR_04_a_tx_profile_lifts_a_lower_default() -> None:
    rig = station()
    set_profile(rig, {0: 8.0})
    transaction_id = charging(rig)
    set_profile(rig, {0: 20.0}, purpose="TxProfile", transactionId=transaction_id, id=2)
    assert csms_amps(rig) == 20.0


def test_K02_FR_05_a_tx_profile_dies_with_its_transaction() -> None:
    rig = station()
    transaction_id = charging(rig)
    set_profile(rig, {0: 10.0}, purpose="TxProfile", transactionId=transaction_id)
    rig.unplug()
    assert csms_amps(rig) is None
    found = rig.call("GetChargingProfiles", requestId=1, chargingProfile={"chargingProfilePurpose": "TxProfile"})
    assert found["status"] == "NoProfiles"


def test_a_default_that_names_a_transaction_outlasts_it() -> None:
    store = Store(":memory:")
    rig = station(store=store)
    transaction_id = charging(rig)
    set_profile(rig, {0: 10.0}, transactionId=transaction_id)
    rig.unplug()
    assert csms_amps(rig) == 10.0
    assert csms_amps(station(store=store, first_id=1000)) == 10.0


def test_K01_FR_12_the_limit_changes_when_its_period_ends_without_any_event() -> None:
    rig = station()
    charging(rig)
    set_profile(rig, {0: 10.0, 60: 16.0}, duration=100)
    rig.advance(59.9)
    assert csms_amps(rig) == 10.0
    rig.advance(0.2)
    assert csms_amps(rig) == 16.0
    rig.advance(40.0)
    assert csms_amps(rig) is None


def test_a_limit_in_watts_is_rounded_down_to_a_tenth_of_an_ampere() -> None:
    rig = station()
    set_profile(rig, {0: 11_000.0}, unit="W")
    assert csms_amps(rig) == 15.9


@pytest.mark.parametrize("limit, amps", [(0.0, 0.0), (5.9, 0.0), (6.0, 6.0)])
def test_a_limit_below_what_a_pilot_can_offer_means_none(limit: float, amps: float) -> None:
    rig = station()
    set_profile(rig, {0: limit})
    assert csms_amps(rig) == amps


def test_K01_FR_42_a_relative_profile_counts_from_authorization_of_the_connected_vehicle() -> None:
    rig = station()
    set_profile(rig, {0: 10.0, 60: 16.0}, chargingProfileKind="Relative")
    rig.plug_in()
    rig.advance(300.0)
    rig.tap()
    rig.charge()
    rig.advance(59.9)
    assert csms_amps(rig) == 10.0
    rig.advance(0.2)
    assert csms_amps(rig) == 16.0


def test_K01_FR_27_profiles_hold_again_after_a_restart_in_mid_charge() -> None:
    store, clock = Store(":memory:"), ManualClock()
    rig = station(store=store, clock=clock)
    transaction_id = charging(rig)
    set_profile(rig, {0: 10.0, 100: 16.0}, purpose="TxProfile", transactionId=transaction_id)
    evses = rig.evses
    clock.advance(50.0)
    again = Rig(store=store, clock=clock, boot_reason="ApplicationReset", first_id=1000)
    again.evses = evses
    again.meter(10.0)
    assert again.orders().permit
    assert csms_amps(again) == 10.0
    again.advance(50.1)
    assert csms_amps(again) == 16.0


def test_K06_FR_01_an_outage_changes_nothing_about_a_tx_profile() -> None:
    rig = station()
    transaction_id = charging(rig)
    set_profile(rig, {0: 10.0, 60: 8.0}, purpose="TxProfile", transactionId=transaction_id)
    rig.link_down()
    assert csms_amps(rig) == 10.0
    rig.advance(61.0)
    assert csms_amps(rig) == 8.0


def test_K07_FR_01_a_transaction_started_offline_obeys_the_default() -> None:
    rig = station(settings={"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    set_profile(rig, {0: 9.0})
    rig.link_down()
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert rig.orders().permit
    assert csms_amps(rig) == 9.0


def test_a_step_of_the_wall_clock_moves_absolute_limits_at_once() -> None:
    rig = station()
    set_profile(rig, {0: 10.0, 3600: 16.0})
    assert csms_amps(rig) == 10.0
    rig.clock.set_utc(START + timedelta(hours=2))
    rig.feed(TimeStepped(7200.0))
    assert csms_amps(rig) == 16.0


# ------------------------------------------------------------------ K04: the station's maximum


def test_K04_FR_05_a_single_vehicle_gets_all_of_the_stations_maximum() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 20.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    charging(rig, 1)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [20.0, 0.0]


def test_K04_FR_05_a_second_vehicle_waits_until_the_first_has_yielded() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 20.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    charging(rig, 1)
    charging(rig, 2)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [10.0, 0.0]
    rig.advance(6.1)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [10.0, 10.0]


def test_K04_FR_05_the_sum_of_all_rows_never_exceeds_the_maximum_in_any_orders() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 20.0, 60: 13.0, 90: 11.0, 120: 32.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    since = len(rig.all_orders)
    charging(rig, 1)
    rig.advance(30.0)
    charging(rig, 2)
    rig.advance(100.0)
    rig.unplug(1)
    rig.advance(10.0)
    sums = {sum(limit.amps for evse in orders for limit in evse.limits) for orders in rig.all_orders[since:]}
    assert max(sums) <= 32.0
    assert {20.0, 13.0, 11.0} <= sums
    assert csms_amps(rig, 2) == 32.0


def test_K04_FR_05_when_the_maximum_is_too_small_for_two_the_last_comer_waits() -> None:
    rig = station(facts=board(2))
    set_profile(rig, {0: 10.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    charging(rig, 2)
    charging(rig, 1)
    rig.advance(10.0)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [0.0, 10.0]


@pytest.mark.parametrize("has_meter", [True, False])
def test_K04_FR_05_whoever_is_permitted_shares_even_before_a_transaction_has_started(has_meter: bool) -> None:
    rig = station(settings=tx_settings("EnergyTransfer", "EVConnected"), facts=board(2))
    set_profile(rig, {0: 20.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    rig.plug_in(2)
    rig.tap(evse_id=2)
    assert rig.orders(2).permit
    assert rig.events() == []
    rig.advance(0.5)
    if has_meter:
        rig.meter(0.0, evse_id=2)
    else:
        rig.advance(1.0)
    assert [csms_amps(rig, evse_id) for evse_id in (1, 2)] == [0.0, 20.0]


# ------------------------------------------------------------------ K01: refusals reach the wire


def test_K01_FR_09_a_tx_profile_without_transaction_is_rejected_with_its_reason() -> None:
    rig = station()
    answer = set_profile(rig, {0: 10.0}, purpose="TxProfile", transactionId="tx")
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "TxNotFound"


def test_a_refused_profile_changes_nothing() -> None:
    rig = station()
    set_profile(rig, {0: 10.0})
    assert set_profile(rig, {1: 8.0})["status"] == "Rejected"
    assert csms_amps(rig) == 10.0


def test_K01_FR_26_a_unit_that_does_not_exist_is_a_format_error() -> None:
    rig = station()
    assert set_profile(rig, {0: 10.0}, unit="kW")["errorCode"] == "PropertyConstraintViolation"


def test_K01_FR_29_without_smart_charging_every_action_of_it_is_not_supported() -> None:
    rig = station()
    set_profile(rig, {0: 10.0})
    variable = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "Enabled"}}
    rig.call("SetVariables", setVariableData=[variable | {"attributeValue": "false"}])
    assert csms_amps(rig) is None
    assert set_profile(rig, {0: 8.0})["errorCode"] == "NotSupported"
    assert rig.call("ClearChargingProfile")["errorCode"] == "NotSupported"
    assert rig.call("GetChargingProfiles", requestId=1, chargingProfile={})["errorCode"] == "NotSupported"
    assert rig.call("GetCompositeSchedule", evseId=1, duration=10)["errorCode"] == "NotSupported"
    rig.call("SetVariables", setVariableData=[variable | {"attributeValue": "true"}])
    assert csms_amps(rig) == 10.0


# ------------------------------------------------------------------ K08


def test_K08_FR_06_the_composite_of_an_idle_evse_is_the_test_vector_of_stacked_defaults() -> None:
    rig = station()
    set_profile(rig, {0: 6, 100: 8, 200: 10}, duration=400)
    set_profile(rig, {0: 7, 100: 9}, duration=150, id=2, stackLevel=1)
    answer = rig.call("GetCompositeSchedule", evseId=1, duration=350, chargingRateUnit="A")
    assert answer["status"] == "Accepted"
    assert periods(answer) == {0: 7, 100: 9, 150: 8, 200: 10}
    assert answer["schedule"]["duration"] == 350
    assert answer["schedule"]["scheduleStart"] == stamp()
    assert answer["schedule"]["chargingRateUnit"] == "A"
    assert answer["schedule"]["evseId"] == 1


def test_K08_FR_04_the_composite_of_a_transaction_is_the_test_vector_of_purposes() -> None:
    rig = station()
    transaction_id = charging(rig)
    set_profile(rig, {0: 10}, evse_id=0, purpose="ChargingStationMaxProfile")
    set_profile(rig, {0: 6, 60: 10, 120: 8, 180: 15, 260: 8}, duration=300, id=2)
    tx: dict[str, Any] = {"purpose": "TxProfile", "transactionId": transaction_id, "id": 3}
    set_profile(rig, {0: 8, 50: 11, 140: 16, 200: 6, 240: 12}, duration=260, **tx)
    answer = rig.call("GetCompositeSchedule", evseId=1, duration=400, chargingRateUnit="A")
    assert periods(answer) == {0: 8, 50: 10, 200: 6, 240: 10, 260: 8, 300: 10}


def test_K08_FR_03_the_grid_connection_carries_the_sum_of_all_evses() -> None:
    rig = station(facts=board(2))
    assert periods(rig.call("GetCompositeSchedule", evseId=0, duration=300)) == {0: 64.0}
    set_profile(rig, {0: 10.0, 100: 40.0}, evse_id=0, purpose="ChargingStationMaxProfile")
    set_profile(rig, {0: 16.0}, evse_id=0, id=2)
    set_profile(rig, {0: 20.0}, evse_id=2, id=3, stackLevel=1)
    assert periods(rig.call("GetCompositeSchedule", evseId=0, duration=300)) == {0: 10.0, 100: 36.0}


def test_K08_FR_02_the_composite_comes_in_the_unit_asked_for() -> None:
    rig = station()
    set_profile(rig, {0: 10.0, 60: 16.0})
    answer = rig.call("GetCompositeSchedule", evseId=1, duration=100, chargingRateUnit="W")
    assert periods(answer) == {0: 6900.0, 60: 11040.0}
    assert {one["numberPhases"] for one in answer["schedule"]["chargingSchedulePeriod"]} == {3}


def test_K08_FR_06_a_relative_default_begins_now_where_nobody_charges() -> None:
    rig = station()
    set_profile(rig, {0: 10.0, 60: 16.0}, chargingProfileKind="Relative")
    rig.advance(500.0)
    assert periods(rig.call("GetCompositeSchedule", evseId=1, duration=100)) == {0: 10.0, 60: 16.0}


def test_K08_FR_05_an_unknown_evse_has_no_composite_schedule() -> None:
    rig = station()
    assert rig.call("GetCompositeSchedule", evseId=2, duration=10)["status"] == "Rejected"
    assert rig.call("GetCompositeSchedule", evseId=-1, duration=10)["status"] == "Rejected"


def test_a_composite_of_negative_length_is_refused() -> None:
    assert station().call("GetCompositeSchedule", evseId=1, duration=-1)["status"] == "Rejected"


# ------------------------------------------------------------------ K05


def remote_start(rig: Rig, **fields: Any) -> Payload:
    whole = profile({0: 11.0, 60: 16.0}, purpose="TxProfile", chargingProfileKind="Relative") | fields
    token = {"idToken": "REMOTE", "type": "ISO14443"}
    return rig.call("RequestStartTransaction", remoteStartId=1, evseId=1, idToken=token, chargingProfile=whole)


def test_K05_FR_03_the_profile_of_a_remote_start_limits_its_transaction() -> None:
    rig = station()
    rig.plug_in()
    assert remote_start(rig)["status"] == "Accepted"
    rig.charge()
    assert csms_amps(rig) == 11.0
    rig.advance(60.1)
    assert csms_amps(rig) == 16.0
    rig.call("GetChargingProfiles", requestId=1, chargingProfile={"chargingProfilePurpose": "TxProfile"})
    (report,) = rig.sent("ReportChargingProfiles")
    assert report["chargingProfile"][0]["transactionId"] == rig.events()[-1]["transactionInfo"]["transactionId"]


def test_K05_FR_05_a_remote_start_with_a_bad_profile_is_rejected() -> None:
    rig = station()
    rig.plug_in()
    answer = remote_start(rig, stackLevel=99)
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidStackLevel"


def test_K05_FR_04_without_smart_charging_the_profile_of_a_remote_start_is_ignored() -> None:
    rig = station(settings={"SmartChargingCtrlr.Enabled": "false"})
    rig.plug_in()
    assert remote_start(rig, stackLevel=99)["status"] == "Accepted"
    rig.charge()
    assert csms_amps(rig) is None


# ------------------------------------------------------------------ the device model


def test_the_number_of_installed_profiles_can_be_read() -> None:
    rig = station(facts=board(2))
    shelf(rig)
    name = {
        "component": {"name": "SmartChargingCtrlr"},
        "variable": {"name": "Entries", "instance": "ChargingProfiles"},
    }
    (result,) = rig.call("GetVariables", getVariableData=[name])["getVariableResult"]
    assert result["attributeValue"] == "5"
