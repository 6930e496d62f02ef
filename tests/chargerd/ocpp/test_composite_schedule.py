"""K08: the composite schedule of an EVSE and of the grid connection."""

from datetime import UTC, datetime

from chargerd.ocpp.composite_schedule import CompositeScheduler, EvseView
from chargerd.ocpp.messages.enums import ChargingProfileKind, ChargingProfilePurpose, ChargingRateUnit
from chargerd.ocpp.messages.smart_charging import CompositeSchedule
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.ocpp.schedule import Hardware, milliseconds

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TX_DEFAULT = ChargingProfilePurpose.TX_DEFAULT_PROFILE
STATION_MAX = ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
A, W = ChargingRateUnit.A, ChargingRateUnit.W


def profile(limits: dict[int, float], purpose: ChargingProfilePurpose, *, relative: bool = False) -> ChargingProfile:
    schedule = ChargingSchedule(
        id=1,
        charging_rate_unit=A,
        start_schedule=None if relative else NOON,
        charging_schedule_period=tuple(
            ChargingSchedulePeriod(start_period=at, limit=limit) for at, limit in limits.items()
        ),
    )
    return ChargingProfile(
        id=1,
        stack_level=0,
        charging_profile_purpose=purpose,
        charging_profile_kind=ChargingProfileKind.RELATIVE if relative else ChargingProfileKind.ABSOLUTE,
        charging_schedule=(schedule,),
    )


def view(
    evse_id: int, *profiles: ChargingProfile, amps: float = 32.0, phases: int = 3, zero_ms: int | None = None
) -> EvseView:
    return EvseView(evse_id, Hardware(amps, phases, 230.0), list(profiles), zero_ms)


def limits(composite: CompositeSchedule) -> dict[int, float]:
    return {period.start_period: period.limit for period in composite.charging_schedule_period}


def test_K08_FR_04_the_rating_of_the_hardware_counts() -> None:
    scheduler = CompositeScheduler([], [view(1, profile({0: 40.0, 10: 10.0}, TX_DEFAULT), amps=16.0)])
    assert limits(scheduler.schedule(1, NOON, 60, A)) == {0: 16.0, 10: 10.0}


def test_K08_FR_03_the_grid_connection_adds_up_evses_of_different_phases_in_watts() -> None:
    scheduler = CompositeScheduler([], [view(1, amps=10.0), view(2, amps=10.0, phases=1)])
    assert limits(scheduler.schedule(0, NOON, 60, W)) == {0: 6900.0 + 2300.0}


def test_K08_FR_03_the_grid_connection_is_capped_by_the_stations_maximum() -> None:
    scheduler = CompositeScheduler([profile({0: 30.0}, STATION_MAX)], [view(1), view(2)])
    assert limits(scheduler.schedule(0, NOON, 60, A)) == {0: 30.0}
    assert limits(scheduler.schedule(0, NOON, 60, W)) == {0: 20_700.0}
    assert limits(scheduler.schedule(2, NOON, 60, A)) == {0: 30.0}


def test_K08_FR_06_a_running_transaction_is_as_far_as_it_is() -> None:
    relative = profile({0: 10.0, 60: 16.0}, TX_DEFAULT, relative=True)
    running = CompositeScheduler([], [view(1, relative, zero_ms=milliseconds(NOON) - 50_000)])
    assert limits(running.schedule(1, NOON, 60, A)) == {0: 10.0, 10: 16.0}
    idle = CompositeScheduler([], [view(1, relative)])
    assert limits(idle.schedule(1, NOON, 100, A)) == {0: 10.0, 60: 16.0}


def test_the_duration_of_the_answer_is_what_it_covers() -> None:
    flicker = profile({at: 8.0 + at % 2 for at in range(1024)}, TX_DEFAULT)
    other = profile({0: 20.0, 2000: 21.0}, STATION_MAX)
    composite = CompositeScheduler([other], [view(1, flicker)]).schedule(1, NOON, 5000, A)
    assert (composite.duration, len(composite.charging_schedule_period)) == (5000, 1024)
