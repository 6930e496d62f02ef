"""The pure schedule, against examples of the standard and an evaluator that looks at every second by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.ocpp import schedule
from chargerd.ocpp.messages.enums import (
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    RecurrencyKind,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.ocpp.schedule import Allowance, Hardware, allowance, milliseconds, next_change_ms, steps, whole_seconds

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = milliseconds(NOON)
THREE_PHASES = Hardware(amps=32.0, phases=3, volts=230.0)

TX, TX_DEFAULT = ChargingProfilePurpose.TX_PROFILE, ChargingProfilePurpose.TX_DEFAULT_PROFILE
STATION_MAX = ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
EXTERNAL = ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS
ABSOLUTE, RECURRING, RELATIVE = (
    ChargingProfileKind.ABSOLUTE,
    ChargingProfileKind.RECURRING,
    ChargingProfileKind.RELATIVE,
)


def profile(
    limits: dict[int, float],
    *,
    purpose: ChargingProfilePurpose = TX_DEFAULT,
    kind: ChargingProfileKind = ABSOLUTE,
    level: int = 0,
    start: datetime | None = NOON,
    duration: int | None = None,
    unit: ChargingRateUnit = ChargingRateUnit.A,
    phases: int | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    recurrency: RecurrencyKind | None = None,
) -> ChargingProfile:
    return ChargingProfile(
        id=1,
        stack_level=level,
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        recurrency_kind=recurrency,
        valid_from=valid_from,
        valid_to=valid_to,
        charging_schedule=(
            ChargingSchedule(
                id=1,
                start_schedule=None if kind is RELATIVE else start,
                duration=duration,
                charging_rate_unit=unit,
                charging_schedule_period=tuple(
                    ChargingSchedulePeriod(start_period=at, limit=limit, number_phases=phases)
                    for at, limit in limits.items()
                ),
            ),
        ),
    )


def amps_at(profiles: list[ChargingProfile], seconds: float, zero_s: float | None = 0.0) -> float:
    zero_ms = None if zero_s is None else NOON_MS + round(zero_s * 1000)
    return allowance(profiles, zero_ms, THREE_PHASES, NOON_MS + round(seconds * 1000)).amps


def composite(profiles: list[ChargingProfile], duration_s: int, start_ms: int = NOON_MS) -> dict[int, float]:
    def rate_at(at_ms: int) -> tuple[float, int]:
        allowed = allowance(profiles, NOON_MS, THREE_PHASES, at_ms)
        return allowed.amps, allowed.phases

    found, end_ms = steps(
        rate_at, lambda at_ms: next_change_ms(profiles, NOON_MS, at_ms), start_ms, start_ms + duration_s * 1000
    )
    assert end_ms == start_ms + duration_s * 1000
    return {period.start_period: period.limit for period in whole_seconds(found, start_ms, duration_s)}


# ------------------------------------------------------------------ the standard's examples


def test_K08_FR_02_stacked_defaults_give_the_test_vector() -> None:
    low = profile({0: 6, 100: 8, 200: 10}, duration=400)
    high = profile({0: 7, 100: 9}, duration=150, level=1)
    assert composite([low, high], 350) == {0: 7.0, 100: 9.0, 150: 8.0, 200: 10.0}


def test_K08_FR_04_purposes_together_give_the_test_vector() -> None:
    station = profile({0: 10}, purpose=STATION_MAX)
    default = profile({0: 6, 60: 10, 120: 8, 180: 15, 260: 8}, duration=300)
    transaction = profile({0: 8, 50: 11, 140: 16, 200: 6, 240: 12}, duration=260, purpose=TX)
    assert composite([station, default, transaction], 400) == {
        0: 8.0,
        50: 10.0,
        200: 6.0,
        240: 10.0,
        260: 8.0,
        300: 10.0,
    }


# ------------------------------------------------------------------ one rule each


def test_K01_FR_36_valid_from_is_within_and_the_instant_before_is_not() -> None:
    late = profile({0: 8}, valid_from=NOON + timedelta(seconds=10))
    assert amps_at([late], 9.999) == 32.0
    assert amps_at([late], 10.0) == 8.0


def test_K01_FR_37_valid_to_is_not_within_and_the_instant_before_is() -> None:
    brief = profile({0: 8}, valid_to=NOON + timedelta(seconds=10))
    assert amps_at([brief], 9.999) == 8.0
    assert amps_at([brief], 10.0) == 32.0


def test_K01_FR_30_a_schedule_of_the_future_waits_for_its_start() -> None:
    future = profile({0: 8}, start=NOON + timedelta(seconds=60))
    assert amps_at([future], 59.999) == 32.0
    assert amps_at([future], 60.0) == 8.0


def test_K01_FR_11_a_period_at_or_past_the_duration_is_never_executed() -> None:
    cut = profile({0: 8, 60: 7, 90: 6}, duration=60)
    assert amps_at([cut], 59.999) == 8.0
    assert amps_at([cut], 60.0) == 32.0
    assert amps_at([cut], 90.0) == 32.0


def test_K01_FR_12_a_period_lasts_until_the_next_one_begins() -> None:
    assert [amps_at([profile({0: 8, 60: 7})], at) for at in (0.0, 59.999, 60.0, 10_000.0)] == [8.0, 8.0, 7.0, 7.0]


def test_K01_FR_13_a_recurring_schedule_shorter_than_its_recurrence_leaves_a_gap() -> None:
    daily = profile({0: 8}, kind=RECURRING, recurrency=RecurrencyKind.DAILY, duration=3600)
    day = 86_400
    assert [amps_at([daily], at) for at in (3599.999, 3600.0, day - 0.001, day + 0.0, day + 3600.0)] == [
        8.0,
        32.0,
        32.0,
        8.0,
        32.0,
    ]


def test_a_recurring_schedule_longer_than_its_recurrence_begins_anew() -> None:
    weekly = profile({0: 8, 600_000: 7}, kind=RECURRING, recurrency=RecurrencyKind.WEEKLY, duration=10_000_000)
    assert amps_at([weekly], 604_799.999) == 7.0
    assert amps_at([weekly], 604_800.0) == 8.0


def test_K01_FR_17_the_highest_stack_level_leads_even_with_a_higher_limit() -> None:
    assert amps_at([profile({0: 8}), profile({0: 20}, level=3)], 0.0) == 20.0


def test_K01_FR_17_a_gap_of_the_highest_falls_to_the_next_lower_level() -> None:
    assert amps_at([profile({0: 8}), profile({0: 20}, level=3, duration=10)], 10.0) == 8.0


def test_K02_FR_04_a_tx_profile_overrules_the_default_even_with_a_higher_limit() -> None:
    assert amps_at([profile({0: 8}, level=5), profile({0: 20}, purpose=TX)], 0.0) == 20.0


def test_K02_FR_08_after_the_tx_profile_the_lowest_of_the_others_counts() -> None:
    others = [profile({0: 12}, level=5), profile({0: 9}, purpose=STATION_MAX)]
    assert amps_at([*others, profile({0: 8}, purpose=TX, duration=10)], 10.0) == 9.0


def test_SC_01_the_smallest_of_all_purposes_wins() -> None:
    found = [profile({0: 12}, purpose=STATION_MAX), profile({0: 9}, purpose=EXTERNAL), profile({0: 10}, purpose=TX)]
    assert amps_at(found, 0.0) == 9.0


def test_K01_FR_42_a_relative_schedule_counts_from_the_power_path_moment() -> None:
    relative = profile({0: 8, 60: 10}, kind=RELATIVE)
    assert amps_at([relative], 59.999, zero_s=0.0) == 8.0
    assert amps_at([relative], 60.0, zero_s=0.0) == 10.0
    assert amps_at([relative], 60.0, zero_s=30.0) == 8.0


def test_K01_FR_42_a_relative_schedule_stands_at_its_first_period_while_nobody_charges() -> None:
    relative = profile({0: 8, 60: 10}, kind=RELATIVE)
    assert amps_at([relative], 3600.0, zero_s=None) == 8.0
    assert next_change_ms([relative], None, NOON_MS) is None


def test_K01_FR_49_watts_without_a_number_of_phases_are_shared_by_three() -> None:
    one_phase = Hardware(amps=32.0, phases=1, volts=230.0)
    watts = profile({0: 6900.0}, unit=ChargingRateUnit.W)
    assert allowance([watts], None, one_phase, NOON_MS) == Allowance(10.0, 1)


@pytest.mark.parametrize("phases, amps", [(3, 10.0), (1, 30.0)])
def test_K01_FR_50_watts_are_shared_by_the_phases_that_the_period_names(phases: int, amps: float) -> None:
    assert amps_at([profile({0: 6900.0}, unit=ChargingRateUnit.W, phases=phases)], 0.0) == amps


def test_K01_FR_51_amps_are_per_phase() -> None:
    assert amps_at([profile({0: 10.0}, phases=3)], 0.0) == 10.0


def test_the_fewest_phases_of_all_leaders_are_used() -> None:
    both = [profile({0: 20.0}, phases=3), profile({0: 20.0}, purpose=STATION_MAX, phases=2)]
    assert allowance(both, None, THREE_PHASES, NOON_MS) == Allowance(20.0, 2)


def test_an_allowance_in_watts_counts_all_its_phases() -> None:
    assert Allowance(10.0, 3).in_unit(ChargingRateUnit.W, 230.0) == 6900.0
    assert Allowance(10.0, 3).in_unit(ChargingRateUnit.A, 230.0) == 10.0


# ------------------------------------------------------------------ rounding and bounds


@pytest.mark.parametrize(
    "value, rounded",
    [(15.942028985, 15.9), (16.0, 16.0), (15.999, 15.9), (6.1, 6.1), (0.0, 0.0), (-1.0, 0.0), (10.0 - 1e-9, 10.0)],
)
def test_a_limit_is_rounded_down_to_a_tenth_and_floating_point_costs_nothing(value: float, rounded: float) -> None:
    assert schedule.rounded_down(value) == rounded


@given(st.integers(0, 400))
def test_every_tenth_survives_rounding(tenths: int) -> None:
    assert schedule.rounded_down(tenths / 10) == tenths / 10


def test_a_second_in_which_the_limit_changes_has_the_lower_one() -> None:
    half_past = NOON_MS - 500
    rising = composite([profile({0: 8, 10: 16})], 60, start_ms=half_past)
    falling = composite([profile({0: 16, 10: 8})], 60, start_ms=half_past)
    assert rising == {0: 8.0, 11: 16.0}
    assert falling == {0: 16.0, 10: 8.0}


def test_a_window_of_no_length_has_one_period() -> None:
    assert composite([profile({0: 8})], 0) == {0: 8.0}


def test_equal_neighbours_are_one_period() -> None:
    assert composite([profile({0: 8, 10: 8, 20: 9})], 30) == {0: 8.0, 20: 9.0}


def test_a_window_that_does_not_fit_one_schedule_ends_where_its_periods_do() -> None:
    flicker = profile({at: 8.0 + at % 2 for at in range(1024)}, kind=RECURRING, recurrency=RecurrencyKind.DAILY)

    def rate_at(at_ms: int) -> tuple[float, int]:
        return allowance([flicker], None, THREE_PHASES, at_ms).amps, 3

    found, end_ms = steps(
        rate_at, lambda at_ms: next_change_ms([flicker], None, at_ms), NOON_MS, NOON_MS + 2_000_000_000 * 1000
    )
    assert len(found) == schedule.MAX_PERIODS
    assert end_ms == NOON_MS + 86_400_000  # 1024 steps a day, the last of which lasts until noon


def test_profiles_at_the_end_of_time_overflow_nothing() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    far = profile({0: 8, 2**31 - 1: 7}, start=last, duration=2**31 - 1)
    assert amps_at([far], 0.0) == 32.0
    assert next_change_ms([far], None, NOON_MS) == milliseconds(last)
    assert next_change_ms([far], None, milliseconds(last)) == milliseconds(last) + (2**31 - 1) * 1000


# ------------------------------------------------------------------ against an evaluator that knows no shortcut


def brute_period(one: ChargingProfile, zero: datetime, at: datetime) -> ChargingSchedulePeriod | None:
    """Walk through every repetition and every period of the profile from the beginning."""
    if one.valid_from is not None and not one.valid_from <= at:
        return None
    if one.valid_to is not None and not at < one.valid_to:
        return None
    plan = one.charging_schedule[0]
    begin = plan.start_schedule or zero
    every = {RecurrencyKind.DAILY: timedelta(days=1), RecurrencyKind.WEEKLY: timedelta(weeks=1)}
    found = None
    while begin <= at:
        found = None
        for number, period in enumerate(plan.charging_schedule_period):
            later = plan.charging_schedule_period[number + 1 :]
            starts = begin + timedelta(seconds=period.start_period)
            ends = begin + timedelta(seconds=later[0].start_period) if later else datetime.max.replace(tzinfo=UTC)
            if plan.duration is not None:
                ends = min(ends, begin + timedelta(seconds=plan.duration))
            if starts <= at < ends:
                found = period
        if one.recurrency_kind is None:
            break
        begin += every[one.recurrency_kind]
    return found


def brute_amps(profiles: list[ChargingProfile], zero: datetime, at: datetime) -> float:
    leaders: dict[ChargingProfilePurpose, tuple[ChargingProfile, ChargingSchedulePeriod]] = {}
    for one in sorted(profiles, key=lambda one: one.stack_level):
        period = brute_period(one, zero, at)
        if period is not None:
            leaders[one.charging_profile_purpose] = (one, period)
    if TX in leaders:
        leaders.pop(TX_DEFAULT, None)
    limits = [32.0]
    for one, period in leaders.values():
        in_watts = one.charging_schedule[0].charging_rate_unit is ChargingRateUnit.W
        limits.append(period.limit / 230.0 / (period.number_phases or 3) if in_watts else period.limit)
    return min(limits)


def around_noon(low: int, high: int) -> st.SearchStrategy[datetime]:
    return st.integers(low, high).map(lambda seconds: NOON + timedelta(seconds=seconds))


@st.composite
def profiles_of_a_minute(draw: st.DrawFn) -> list[ChargingProfile]:
    """A few profiles with all their edges within a minute of noon, of today or of the days and weeks before."""
    chosen = draw(
        st.lists(
            st.tuples(st.sampled_from([STATION_MAX, EXTERNAL, TX_DEFAULT, TX]), st.integers(0, 3)),
            unique=True,
            max_size=6,
        )
    )
    found = []
    for purpose, level in chosen:
        kind = draw(st.sampled_from([ABSOLUTE, RECURRING, RELATIVE]))
        recurrency = draw(st.sampled_from(RecurrencyKind)) if kind is RECURRING else None
        earlier = timedelta(days=draw(st.sampled_from([0, 1, 6, 7, 14]))) if kind is RECURRING else timedelta(0)
        unit = draw(st.sampled_from(ChargingRateUnit))
        starts = [0, *sorted(draw(st.sets(st.integers(1, 40), max_size=4)))]
        scale = 1.0 if unit is ChargingRateUnit.A else 690.0
        found.append(
            profile(
                {at: draw(st.integers(0, 40)) * scale for at in starts},
                purpose=purpose,
                kind=kind,
                level=level,
                start=draw(around_noon(-30, 30)) - earlier,
                duration=draw(st.none() | st.integers(1, 50)),
                unit=unit,
                phases=draw(st.sampled_from([None, 3])),
                valid_from=draw(st.none() | around_noon(-30, 30)),
                valid_to=draw(st.none() | around_noon(-30, 30)),
                recurrency=recurrency,
            )
        )
    return found


@given(profiles_of_a_minute(), st.integers(-40, 20), st.integers(-30, 30), st.integers(1, 60))
def test_K08_FR_04_the_composite_is_what_an_evaluator_of_single_seconds_finds(
    profiles: list[ChargingProfile], begin_s: int, zero_s: int, duration_s: int
) -> None:
    zero, begin = NOON + timedelta(seconds=zero_s), NOON + timedelta(seconds=begin_s)
    start_ms = milliseconds(begin)

    def rate_at(at_ms: int) -> tuple[float, int]:
        return allowance(profiles, milliseconds(zero), THREE_PHASES, at_ms).amps, 3

    found, _end_ms = steps(
        rate_at,
        lambda at_ms: next_change_ms(profiles, milliseconds(zero), at_ms),
        start_ms,
        start_ms + duration_s * 1000,
    )
    periods = whole_seconds(found, start_ms, duration_s)
    for second in range(duration_s):
        current = [period.limit for period in periods if period.start_period <= second][-1]
        expected = schedule.rounded_down(brute_amps(profiles, zero, begin + timedelta(seconds=second)))
        assert current == expected, f"second {second}"


@given(profiles_of_a_minute(), st.integers(-40_000, 20_000), st.integers(-30, 30))
def test_nothing_changes_before_the_next_change(
    profiles: list[ChargingProfile], at_offset_ms: int, zero_s: int
) -> None:
    zero_ms, at_ms = NOON_MS + zero_s * 1000, NOON_MS + at_offset_ms
    change_ms = next_change_ms(profiles, zero_ms, at_ms)
    assert change_ms is None or change_ms > at_ms
    until_ms = at_ms + 60_000 if change_ms is None else min(change_ms, at_ms + 60_000)
    before = allowance(profiles, zero_ms, THREE_PHASES, at_ms)
    for moment_ms in range(at_ms, until_ms, 250):
        assert allowance(profiles, zero_ms, THREE_PHASES, moment_ms) == before


@given(profiles_of_a_minute(), st.integers(-40_500, 20_500), st.integers(1, 60))
def test_K08_FR_04_no_second_of_the_composite_allows_more_than_any_instant_within(
    profiles: list[ChargingProfile], begin_ms: int, duration_s: int
) -> None:
    start_ms = NOON_MS + begin_ms

    def rate_at(at_ms: int) -> tuple[float, int]:
        return allowance(profiles, NOON_MS, THREE_PHASES, at_ms).amps, 3

    found, _end_ms = steps(
        rate_at, lambda at_ms: next_change_ms(profiles, NOON_MS, at_ms), start_ms, start_ms + duration_s * 1000
    )
    periods = whole_seconds(found, start_ms, duration_s)
    assert periods[0].start_period == 0
    assert [period.start_period for period in periods] == sorted({period.start_period for period in periods})
    for offset_ms in range(0, duration_s * 1000, 100):
        current = [period.limit for period in periods if period.start_period * 1000 <= offset_ms][-1]
        assert current <= allowance(profiles, NOON_MS, THREE_PHASES, start_ms + offset_ms).amps + 1e-9
