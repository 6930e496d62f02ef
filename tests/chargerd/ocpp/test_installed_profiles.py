"""What is installed is on disk, and what limits whom."""

from chargerd.ocpp.installed_profiles import NAMESPACE, Installed, InstalledProfiles
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.ocpp.messages.wire import CustomData
from chargerd.store import Store


def installed(
    profile_id: int, evse_id: int, purpose: ChargingProfilePurpose, transaction_id: str | None = None
) -> Installed:
    schedule = ChargingSchedule(
        id=1,
        charging_rate_unit=ChargingRateUnit.A,
        charging_schedule_period=(ChargingSchedulePeriod(start_period=0, limit=10.0),),
    )
    profile = ChargingProfile(
        id=profile_id,
        stack_level=0,
        charging_profile_purpose=purpose,
        charging_profile_kind=ChargingProfileKind.RELATIVE,
        charging_schedule=(schedule,),
        transaction_id=transaction_id,
        custom_data=CustomData("com.example", {"note": 1}),
    )
    return Installed(evse_id, ChargingLimitSource.CSO, profile)


STATION_MAX = installed(1, 0, ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE)
DEFAULT_OF_ALL = installed(2, 0, ChargingProfilePurpose.TX_DEFAULT_PROFILE)
DEFAULT_OF_1 = installed(3, 1, ChargingProfilePurpose.TX_DEFAULT_PROFILE)
TX_OF_1 = installed(4, 1, ChargingProfilePurpose.TX_PROFILE, "tx-1")
EXTERNAL_OF_2 = installed(5, 2, ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS)
ALL = (STATION_MAX, DEFAULT_OF_ALL, DEFAULT_OF_1, TX_OF_1, EXTERNAL_OF_2)


def shelf(store: Store | None = None) -> InstalledProfiles:
    profiles = InstalledProfiles(store or Store(":memory:"))
    for one in ALL:
        profiles.put(one)
    return profiles


def test_K01_FR_27_profiles_outlast_a_restart_whole() -> None:
    store = Store(":memory:")
    shelf(store)
    again = InstalledProfiles(store)
    assert again.reload() == []
    assert again.all() == ALL


def test_what_is_removed_stays_removed_after_a_restart() -> None:
    store = Store(":memory:")
    assert shelf(store).remove(lambda one: one.evse_id == 1) == 2
    again = InstalledProfiles(store)
    again.reload()
    assert again.all() == (STATION_MAX, DEFAULT_OF_ALL, EXTERNAL_OF_2)


def test_K01_FR_05_a_profile_replaces_the_one_with_its_id_wherever_that_was() -> None:
    profiles = shelf()
    moved = installed(3, 2, ChargingProfilePurpose.TX_DEFAULT_PROFILE)
    profiles.put(moved)
    assert profiles.all() == (STATION_MAX, DEFAULT_OF_ALL, moved, TX_OF_1, EXTERNAL_OF_2)


def test_K01_FR_14_a_default_on_evse_0_limits_every_evse_and_not_the_station() -> None:
    profiles = shelf()
    assert profiles.of_station() == [STATION_MAX.profile]
    assert profiles.of_evse(1, None) == [DEFAULT_OF_ALL.profile, DEFAULT_OF_1.profile]
    assert profiles.of_evse(2, None) == [DEFAULT_OF_ALL.profile, EXTERNAL_OF_2.profile]


def test_a_tx_profile_limits_its_own_transaction_only() -> None:
    profiles = shelf()
    assert TX_OF_1.profile in profiles.of_evse(1, "tx-1")
    assert TX_OF_1.profile not in profiles.of_evse(1, "tx-2")


def test_a_stored_profile_that_cannot_be_read_is_told_and_kept() -> None:
    store = Store(":memory:")
    shelf(store)
    store.put(NAMESPACE, "3", {"no": "profile"})
    again = InstalledProfiles(store)
    (problem,) = again.reload()
    assert "stored charging profile 3 cannot be read" in problem
    assert again.all() == (STATION_MAX, DEFAULT_OF_ALL, TX_OF_1, EXTERNAL_OF_2)
    assert store.get(NAMESPACE, "3", dict) == {"no": "profile"}
