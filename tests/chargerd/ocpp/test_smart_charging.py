"""Block K on a whole station: profiles come in, limits go out to the control process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.limits import Limit
from chargerd.ocpp.events import TimeStepped
from chargerd.ocpp.installed_profiles import Installed, InstalledProfiles
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board, tx_settings

START = datetime(2026, 1, 1, tzinfo=UTC)
"""What a ManualClock shows first."""


def stamp(seconds: float = 0.0) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def profile(limits: dict[int, float], purpose: str = "TxDefaultProfile", **fields: Any) -> Payload:
    schedule: Payload = {
        "id": 1,
        "chargingRateUnit": fields.pop("unit", "A"),
        "chargingSchedulePeriod": [{"startPeriod": at, "limit": limit} for at, limit in limits.items()],
    }
    kind = fields.get("chargingProfileKind", "Absolute")
    if kind != "Relative":
        schedule["startSchedule"] = fields.pop("start", stamp())
    if "duration" in fields:
        schedule["duration"] = fields.pop("duration")
    whole = {"id": 1, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": kind}
    return whole | {"chargingSchedule": [schedule]} | fields


def set_profile(rig: Rig, limits: dict[int, float], evse_id: int = 1, **fields: Any) -> Payload:
    return rig.call("SetChargingProfile", evseId=evse_id, chargingProfile=profile(limits, **fields))


def station(**settings: Any) -> Rig:
    """A station whose control process has spoken."""
    rig = Rig(**settings)
    rig.meter(0.0)
    return rig


def charging(rig: Rig, evse_id: int = 1) -> str:
    """A vehicle charges on this EVSE; the id of its transaction."""
    rig.plug_in(evse_id)
    rig.tap(evse_id=evse_id)
    rig.charge(evse_id)
    assert rig.orders(evse_id).permit
    transaction_id: str = rig.events()[-1]["transactionInfo"]["transactionId"]
    return transaction_id


def csms_amps(rig: Rig, evse_id: int = 1) -> float | None:
    """The csms row of the last orders, None where there is none."""
    return next((limit.amps for limit in rig.orders(evse_id).limits if limit.source == "csms"), None)


def periods(answer: Payload) -> dict[int, float]:
    return {one["startPeriod"]: one["limit"] for one in answer["schedule"]["chargingSchedulePeriod"]}


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


# ------------------------------------------------------------------ K09


def shelf(rig: Rig) -> None:
    """Five profiles of all kinds on two EVSEs."""
    set_profile(rig, {0: 30.0}, evse_id=0, purpose="ChargingStationMaxProfile", id=1)
    set_profile(rig, {0: 20.0}, evse_id=0, id=2)
    set_profile(rig, {0: 20.0}, evse_id=1, id=3, stackLevel=1)
    set_profile(rig, {0: 20.0}, evse_id=2, id=4, stackLevel=1)
    set_profile(rig, {0: 20.0}, evse_id=2, id=5, stackLevel=2)


@pytest.mark.parametrize(
    "evse_id, criteria, ids",
    [
        (None, {"chargingProfilePurpose": "TxDefaultProfile"}, [2, 3, 4, 5]),
        (0, {"chargingProfilePurpose": "TxDefaultProfile"}, [2]),
        (0, {"chargingLimitSource": ["CSO"]}, [1, 2]),
        (2, {"stackLevel": 1}, [4]),
        (None, {"stackLevel": 1}, [3, 4]),
        (None, {"chargingProfileId": [5, 1, 77]}, [1, 5]),
        (1, {"chargingProfileId": [5]}, []),
        (None, {"chargingLimitSource": ["EMS"]}, []),
        (3, {"stackLevel": 1}, []),
    ],
)
def test_K09_FR_04_the_profiles_that_match_are_reported_evse_by_evse(
    evse_id: int | None, criteria: Payload, ids: list[int]
) -> None:
    rig = station(facts=board(2))
    shelf(rig)
    where = {} if evse_id is None else {"evseId": evse_id}
    answer = rig.call("GetChargingProfiles", requestId=7, chargingProfile=criteria, **where)
    assert answer["status"] == ("Accepted" if ids else "NoProfiles")
    reports = rig.sent("ReportChargingProfiles")
    assert [one["id"] for report in reports for one in report["chargingProfile"]] == ids
    assert all(report["requestId"] == 7 and report["chargingLimitSource"] == "CSO" for report in reports)  # K09.FR.01
    assert [report.get("tbc", False) for report in reports] == [True] * (len(reports) - 1) + [False] * bool(reports)


def test_K09_FR_03_a_list_of_ids_leaves_nothing_to_the_other_criteria() -> None:
    rig = station(facts=board(2))
    shelf(rig)
    criteria = {"chargingProfileId": [2], "stackLevel": 9}
    assert rig.call("GetChargingProfiles", requestId=1, chargingProfile=criteria)["status"] == "Accepted"


def test_K09_FR_01_every_report_carries_the_id_of_its_request() -> None:
    rig = station(facts=board(2))
    shelf(rig)
    for request_id in (-5, 2**40):
        rig.call("GetChargingProfiles", requestId=request_id, chargingProfile={"stackLevel": 1})
    assert [report["requestId"] for report in rig.sent("ReportChargingProfiles")] == [-5, -5, 2**40, 2**40]


def test_K09_FR_02_a_report_of_very_long_profiles_is_split() -> None:
    rig = station()
    for number in (1, 2):
        long = {at: 10.0 + at % 2 for at in range(400)}
        assert set_profile(rig, long, id=number, stackLevel=number)["status"] == "Accepted"
    rig.call("GetChargingProfiles", requestId=1, chargingProfile={"chargingProfilePurpose": "TxDefaultProfile"})
    reports = rig.sent("ReportChargingProfiles")
    assert [[one["id"] for one in report["chargingProfile"]] for report in reports] == [[1], [2]]
    assert [report.get("tbc") for report in reports] == [True, None]


def test_the_response_to_GetChargingProfiles_leaves_before_the_first_report() -> None:
    rig = station()
    set_profile(rig, {0: 10.0})
    before = len(rig.frames)
    rig.call("GetChargingProfiles", requestId=1, chargingProfile={"stackLevel": 0})
    response, report = rig.frames[before : before + 2]
    assert response.startswith("[3,")
    assert '"ReportChargingProfiles"' in report


# ------------------------------------------------------------------ K10


def test_K10_FR_03_a_profile_is_cleared_by_its_id_and_the_limit_goes_with_it() -> None:
    rig = station()
    charging(rig)
    set_profile(rig, {0: 10.0})
    assert rig.call("ClearChargingProfile", chargingProfileId=1) == {"status": "Accepted"}
    assert csms_amps(rig) is None  # K10.FR.05, 07


@pytest.mark.parametrize(
    "criteria, left",
    [
        ({"evseId": 2}, [1, 2, 3]),
        ({"evseId": 2, "stackLevel": 2}, [1, 2, 3, 4]),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, [1]),
        ({"evseId": 0, "chargingProfilePurpose": "TxDefaultProfile"}, [1, 3, 4, 5]),
        ({}, []),
    ],
)
def test_K10_FR_04_all_that_match_every_criterion_are_cleared(criteria: Payload, left: list[int]) -> None:
    rig = station(facts=board(2))
    shelf(rig)
    assert rig.call("ClearChargingProfile", chargingProfileCriteria=criteria)["status"] == "Accepted"
    rig.call("GetChargingProfiles", requestId=1, chargingProfile={"chargingLimitSource": ["CSO"]})
    reports = rig.sent("ReportChargingProfiles")
    assert [one["id"] for report in reports for one in report["chargingProfile"]] == left


def with_external(evse_id: int, amps: float) -> Rig:
    """A station of two EVSEs on which an energy management system has set a limit."""
    store = Store(":memory:")
    limited = ChargingProfile(
        id=-1,
        stack_level=0,
        charging_profile_purpose=ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS,
        charging_profile_kind=ChargingProfileKind.ABSOLUTE,
        charging_schedule=(
            ChargingSchedule(
                id=1,
                charging_rate_unit=ChargingRateUnit.A,
                start_schedule=START,
                charging_schedule_period=(ChargingSchedulePeriod(start_period=0, limit=amps),),
            ),
        ),
    )
    InstalledProfiles(store).put(Installed(evse_id, ChargingLimitSource.EMS, limited))
    return station(store=store, facts=board(2))


@pytest.mark.parametrize("evse_id, expected", [(0, [14.0, 0.0]), (1, [14.0, None]), (2, [None, 14.0])])
def test_K11_FR_01_an_external_limit_is_never_exceeded(evse_id: int, expected: list[float | None]) -> None:
    rig = with_external(evse_id, 14.0)
    charging(rig, 1)
    assert [csms_amps(rig, one) for one in (1, 2)] == expected


def test_K10_FR_08_external_limits_are_not_cleared_by_criteria() -> None:
    rig = with_external(1, 14.0)
    assert rig.call("ClearChargingProfile", chargingProfileCriteria={"evseId": 1})["status"] == "Unknown"
    assert csms_amps(rig) == 14.0


def test_K10_FR_09_an_external_limit_is_not_cleared_by_its_id() -> None:
    rig = with_external(1, 14.0)
    assert rig.call("ClearChargingProfile", chargingProfileId=-1)["status"] == "Unknown"
    assert csms_amps(rig) == 14.0


def test_K10_FR_05_after_clearing_the_next_lower_profile_limits_the_running_transaction() -> None:
    rig = station()
    charging(rig)
    set_profile(rig, {0: 10.0}, id=1)
    set_profile(rig, {0: 8.0}, id=2, stackLevel=1)
    assert csms_amps(rig) == 8.0
    rig.call("ClearChargingProfile", chargingProfileId=2)
    assert csms_amps(rig) == 10.0


def test_K10_FR_01_clearing_what_is_not_there_is_unknown() -> None:
    rig = station()
    set_profile(rig, {0: 10.0})
    assert rig.call("ClearChargingProfile", chargingProfileId=2)["status"] == "Unknown"
    assert rig.call("ClearChargingProfile", chargingProfileCriteria={"stackLevel": 3})["status"] == "Unknown"
    assert csms_amps(rig) == 10.0


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
