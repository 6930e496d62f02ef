"""K08: the limits that result from all profiles and the hardware over a window of time, at an EVSE or at the grid."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chargerd.ocpp import schedule
from chargerd.ocpp.messages.enums import ChargingRateUnit
from chargerd.ocpp.messages.smart_charging import CompositeSchedule
from chargerd.ocpp.messages.types import ChargingProfile


class EvseView(msgspec.Struct, frozen=True):
    """What limits one EVSE by itself. `zero_ms`: its power path moment, None where no power path is closed."""

    evse_id: int
    hardware: schedule.Hardware
    profiles: list[ChargingProfile]
    zero_ms: int | None


class CompositeScheduler:
    """Computes composite schedules from the station's profiles and those of its EVSEs (`evses[i]` is EVSE i + 1)."""

    def __init__(self, station: Sequence[ChargingProfile], evses: Sequence[EvseView]) -> None:
        self._station = station
        self._evses = evses

    def schedule(self, evse_id: int, start: datetime, duration_s: int, unit: ChargingRateUnit) -> CompositeSchedule:
        """The composite schedule of `evse_id` (0: of the grid connection) from `start` on, in `unit` (K08.FR.02, 03).

        Where the window holds more changes than one schedule can carry, its duration ends where the periods do.
        """
        start_ms = schedule.milliseconds(start)
        evses = [_begun_by(start_ms, view) for view in self._evses if evse_id in {0, view.evse_id}]

        def rate_at(at_ms: int) -> tuple[float, int]:
            rates = [self._rate(view, at_ms, unit) for view in evses]
            if evse_id != 0:
                return rates[0]
            return self._capped(sum(rate for rate, _ in rates), max(phases for _, phases in rates), at_ms, unit)

        def change_after(at_ms: int) -> int | None:
            following = [schedule.next_change_ms(view.profiles, view.zero_ms, at_ms) for view in evses]
            following.append(schedule.next_change_ms(self._station, None, at_ms))
            return min((change for change in following if change is not None), default=None)

        steps, end_ms = schedule.steps(rate_at, change_after, start_ms, start_ms + duration_s * 1000)
        covered_s = (end_ms - start_ms) // 1000
        return CompositeSchedule(
            charging_schedule_period=schedule.whole_seconds(steps, start_ms, covered_s),
            evse_id=evse_id,
            duration=covered_s,
            schedule_start=start,
            charging_rate_unit=unit,
        )

    def _rate(self, view: EvseView, at_ms: int, unit: ChargingRateUnit) -> tuple[float, int]:
        """What one EVSE may take: its own limits and, as nobody knows who else will charge, all the station may."""
        allowed = schedule.allowance([*view.profiles, *self._station], view.zero_ms, view.hardware, at_ms)
        return allowed.in_unit(unit, view.hardware.volts), allowed.phases

    def _capped(self, rate: float, phases: int, at_ms: int, unit: ChargingRateUnit) -> tuple[float, int]:
        """What all EVSEs would take together, within what the station may (K08.FR.03, 04)."""
        volts = max(view.hardware.volts for view in self._evses)
        connection = schedule.Hardware(sum(view.hardware.amps for view in self._evses), phases, volts)
        allowed = schedule.allowance(self._station, None, connection, at_ms)
        return min(rate, allowed.in_unit(unit, volts)), min(phases, allowed.phases)


def _begun_by(start_ms: int, view: EvseView) -> EvseView:
    """K08.FR.06: without a transaction the schedule is that of one whose power path closes now."""
    return view if view.zero_ms is not None else msgspec.structs.replace(view, zero_ms=start_ms)
