"""What charging profiles allow at an instant, and when that next changes. Pure; W and A meet here and nowhere else.

Per purpose the profile with the highest stack level that has a period at the instant leads (K01.FR.17); where it has
none, the next lower one does. The leaders of all purposes and the hardware limit the current together, the smallest
wins (SC.01, K08.FR.04); a leading TxProfile silences all TxDefaultProfiles (K02.FR.04). All times are whole
milliseconds since 1970, so that nothing is rounded and no profile of the year 9999 can overflow a date.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import msgspec

from chargerd.ocpp.messages.enums import (
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    RecurrencyKind,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod

MAX_PERIODS = 1024
"""The most periods one ChargingSchedule can carry (schema of ChargingScheduleType)."""

MAX_STEPS = 2_500
"""Changes looked at for one composite schedule; daily profiles over 68 years must not hold the station up."""

DEFAULT_PHASES = 3
"""numberPhases where a period does not say (K01.FR.49)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_START_PERIOD = attrgetter("start_period")

_RECURRENCE_MS = {RecurrencyKind.DAILY: 86_400_000, RecurrencyKind.WEEKLY: 7 * 86_400_000}

_STEP_AMPS = 0.1
_ROUNDING_SLACK = 1e-6
"""In steps of 0.1: what floating point may have lost on a value that was meant to be exact."""


class Hardware(msgspec.Struct, frozen=True):
    """What profiles are laid over: rating `amps` per phase, `phases` 1 or 3, nominal `volts` phase to neutral."""

    amps: float
    phases: int
    volts: float


class Allowance(msgspec.Struct, frozen=True):
    """`amps` per phase on `phases` phases."""

    amps: float
    phases: int

    def in_unit(self, unit: ChargingRateUnit, volts: float) -> float:
        """The same as A per phase or as W in total (K01.FR.50, 51)."""
        return self.amps if unit is ChargingRateUnit.A else self.amps * volts * self.phases


class Step(msgspec.Struct, frozen=True):
    """From `start_ms` on, `limit` in the unit of the composite schedule on `phases` phases."""

    start_ms: int
    limit: float
    phases: int


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds from 1970 to `moment`, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def rounded_down(value: float) -> float:
    """`value` cut to the 0.1 that a limit may carry on the wire and that a pilot can show; never up, never below 0."""
    return max(0, math.floor(value / _STEP_AMPS + _ROUNDING_SLACK)) / 10


# ------------------------------------------------------------------ one instant


def allowance(profiles: Sequence[ChargingProfile], zero_ms: int | None, hardware: Hardware, at_ms: int) -> Allowance:
    """What `profiles` and `hardware` allow at `at_ms`.

    `zero_ms`: the power path moment from which Relative schedules count (K01.FR.42); None: not reached, so they would
    begin now.
    """
    amps, phases = hardware.amps, hardware.phases
    for period, unit in _leaders(profiles, zero_ms, at_ms):
        amps = min(amps, amps_of(period, unit, hardware.volts))
        phases = min(phases, period.number_phases or DEFAULT_PHASES)
    return Allowance(max(amps, 0.0), phases)


def amps_of(period: ChargingSchedulePeriod, unit: ChargingRateUnit, volts: float) -> float:
    """The limit of a period in A per phase: W are shared by the phases the period names, 3 if none (K01.FR.49, 50)."""
    if unit is ChargingRateUnit.A:
        return period.limit
    return period.limit / (volts * (period.number_phases or DEFAULT_PHASES))


def has_leader(profiles: Sequence[ChargingProfile], zero_ms: int | None, at_ms: int) -> bool:
    """Whether any profile says anything at `at_ms`."""
    return any(True for _ in _leaders(profiles, zero_ms, at_ms))


def next_change_ms(profiles: Sequence[ChargingProfile], zero_ms: int | None, at_ms: int) -> int | None:
    """The first instant after `at_ms` at which any of `profiles` may begin to say something else; None: never again."""
    return min((edge for profile in profiles for edge in _edges_after(profile, zero_ms, at_ms)), default=None)


# ------------------------------------------------------------------ a window of time


def steps(
    rate_at: Callable[[int], tuple[float, int]],
    change_after: Callable[[int], int | None],
    start_ms: int,
    end_ms: int,
) -> tuple[tuple[Step, ...], int]:
    """(limit, phases) over [start, end) as steps that differ from their neighbours, and the instant up to which they
    hold.

    That is `end_ms`, or earlier where MAX_STEPS or MAX_PERIODS cut the window short.
    """
    found: list[Step] = []
    at_ms = start_ms
    for _ in range(MAX_STEPS):
        limit, phases = rate_at(at_ms)
        if not found or (found[-1].limit, found[-1].phases) != (limit, phases):
            if len(found) == MAX_PERIODS:
                return tuple(found), at_ms
            found.append(Step(at_ms, limit, phases))
        following = change_after(at_ms)
        if following is None or following >= end_ms:
            return tuple(found), end_ms
        at_ms = following
    return tuple(found), at_ms


def whole_seconds(found: Sequence[Step], start_ms: int, duration_s: int) -> tuple[ChargingSchedulePeriod, ...]:
    """Steps as periods of whole seconds since `start_ms`: a second holds the least that falls into it (K08.FR.04)."""
    periods: list[ChargingSchedulePeriod] = []
    for second, limit, phases in _least_per_second(found, start_ms, duration_s):
        last = periods[-1] if periods else None
        if last is None or (last.limit, last.number_phases) != (limit, phases):
            periods.append(ChargingSchedulePeriod(start_period=second, limit=limit, number_phases=phases))
    return tuple(periods[:MAX_PERIODS])


def _least_per_second(found: Sequence[Step], start_ms: int, duration_s: int) -> Iterator[tuple[int, float, int]]:
    """(second, limit, phases) at every whole second around which something changes."""
    offsets = [step.start_ms - start_ms for step in found]
    seconds = sorted({second for ms in offsets for second in (ms // 1000, -(-ms // 1000))})
    for second, following in zip(seconds, [*seconds[1:], max(duration_s, seconds[-1] + 1)], strict=True):
        if second >= duration_s and second > 0:
            return
        first = bisect_right(offsets, second * 1000) - 1
        last = bisect_right(offsets, following * 1000 - 1)
        within = found[max(first, 0) : last]
        yield second, rounded_down(min(step.limit for step in within)), min(step.phases for step in within)


# ------------------------------------------------------------------ one profile


def _leaders(
    profiles: Sequence[ChargingProfile], zero_ms: int | None, at_ms: int
) -> Iterator[tuple[ChargingSchedulePeriod, ChargingRateUnit]]:
    leading: dict[ChargingProfilePurpose, tuple[int, ChargingSchedulePeriod, ChargingRateUnit]] = {}
    for profile in profiles:
        purpose = profile.charging_profile_purpose
        above = leading.get(purpose)
        if above is not None and above[0] >= profile.stack_level:
            continue
        if (period := period_at(profile, zero_ms, at_ms)) is not None:
            leading[purpose] = (profile.stack_level, period, profile.charging_schedule[0].charging_rate_unit)
    if ChargingProfilePurpose.TX_PROFILE in leading:
        leading.pop(ChargingProfilePurpose.TX_DEFAULT_PROFILE, None)  # K02.FR.04
    for _, period, unit in leading.values():
        yield period, unit


def period_at(profile: ChargingProfile, zero_ms: int | None, at_ms: int) -> ChargingSchedulePeriod | None:
    """The period that `profile` has at `at_ms`; None: it says nothing then."""
    if profile.valid_from is not None and at_ms < milliseconds(profile.valid_from):
        return None  # K01.FR.36
    if profile.valid_to is not None and at_ms >= milliseconds(profile.valid_to):
        return None  # K01.FR.37
    schedule = profile.charging_schedule[0]  # more than one only within ISO 15118 (K01.FR.34)
    begun_ms = _begun_ms(profile, schedule, zero_ms, at_ms)
    if begun_ms is None:
        return None
    elapsed_ms = at_ms - begun_ms
    if schedule.duration is not None and elapsed_ms >= schedule.duration * 1000:
        return None  # K01.FR.11 to 13
    index = bisect_right(schedule.charging_schedule_period, elapsed_ms // 1000, key=_START_PERIOD) - 1
    return schedule.charging_schedule_period[index] if index >= 0 else None


def _begun_ms(profile: ChargingProfile, schedule: ChargingSchedule, zero_ms: int | None, at_ms: int) -> int | None:
    """When the run of the schedule that `at_ms` falls into began; None: not before `at_ms` (K01.FR.30)."""
    match profile.charging_profile_kind:
        case ChargingProfileKind.RELATIVE:
            begun_ms = at_ms if zero_ms is None else zero_ms
        case ChargingProfileKind.ABSOLUTE:
            begun_ms = _scheduled_ms(schedule)
        case ChargingProfileKind.RECURRING:
            first_ms = _scheduled_ms(schedule)
            begun_ms = at_ms - (at_ms - first_ms) % _every_ms(profile) if at_ms >= first_ms else first_ms
    return begun_ms if begun_ms <= at_ms else None


def _edges_after(profile: ChargingProfile, zero_ms: int | None, at_ms: int) -> Iterator[int]:
    """Instants after `at_ms` at which `profile` may begin to say something else, the first of them included."""
    for bound in (profile.valid_from, profile.valid_to):
        if bound is not None and (bound_ms := milliseconds(bound)) > at_ms:
            yield bound_ms
    is_relative = profile.charging_profile_kind is ChargingProfileKind.RELATIVE
    if is_relative and zero_ms is None:
        return  # It stands at its first period until the power path closes.
    schedule = profile.charging_schedule[0]
    begun_ms = _begun_ms(profile, schedule, zero_ms, at_ms)
    if begun_ms is None:
        yield zero_ms if is_relative and zero_ms is not None else _scheduled_ms(schedule)
        return
    index = bisect_right(schedule.charging_schedule_period, (at_ms - begun_ms) // 1000, key=_START_PERIOD)
    if index < len(schedule.charging_schedule_period):
        yield begun_ms + schedule.charging_schedule_period[index].start_period * 1000
    if schedule.duration is not None and begun_ms + schedule.duration * 1000 > at_ms:
        yield begun_ms + schedule.duration * 1000
    if profile.charging_profile_kind is ChargingProfileKind.RECURRING:
        yield begun_ms + _every_ms(profile)


def _scheduled_ms(schedule: ChargingSchedule) -> int:
    assert schedule.start_schedule is not None, "can't happen because K01.FR.40 is checked before a profile is kept"
    return milliseconds(schedule.start_schedule)


def _every_ms(profile: ChargingProfile) -> int:
    assert profile.recurrency_kind is not None, "can't happen because a Recurring profile without it is never kept"
    return _RECURRENCE_MS[profile.recurrency_kind]
