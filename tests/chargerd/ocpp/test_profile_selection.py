"""K09 and K10 on a whole station: which profiles are reported and cleared."""

import pytest

from chargerd.ocpp.installed_profiles import Installed, InstalledProfiles
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board
from tests.chargerd.ocpp.profiling import START, charging, csms_amps, set_profile, shelf, station


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
