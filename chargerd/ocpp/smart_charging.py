"""Block K: keeps charging profiles and turns them into the row "csms" of each EVSE's limit table, now and when they
next change.

The row is there while a profile says anything about the EVSE; then it is rounded down to 0.1 A, and below 6 A it means
none. What ChargingStationMaxProfile leaves to the station is shared by load_balancing.py, so that the rows of all
EVSEs together never exceed it, idle ones included (K04.FR.05).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from chargerd.clock import Now
from chargerd.codec import ErrorCode
from chargerd.limits import MIN_AMPS, Limit
from chargerd.ocpp import load_balancing, profile_rules, schedule
from chargerd.ocpp.block import Block, Handlers, StationContext
from chargerd.ocpp.charging_rate import LIMIT_CHANGE_SIGNIFICANCE
from chargerd.ocpp.composite_schedule import CompositeScheduler, EvseView
from chargerd.ocpp.edges import Change, ControlRestarted, EvConnected, EvDisconnected
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.installed_profiles import Installed, InstalledProfiles
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileStatus,
    ChargingRateUnit,
    ClearChargingProfileStatus,
    GenericStatus,
    GetChargingProfileStatus,
)
from chargerd.ocpp.messages.smart_charging import (
    ClearChargingProfile,
    ClearChargingProfileResponse,
    GetChargingProfiles,
    GetChargingProfilesResponse,
    GetCompositeSchedule,
    GetCompositeScheduleResponse,
    ReportChargingProfilesResponse,
    SetChargingProfile,
    SetChargingProfileResponse,
)
from chargerd.ocpp.messages.types import ChargingProfile, StatusInfo
from chargerd.ocpp.messages.wire import Wire
from chargerd.ocpp.news import (
    ClockSet,
    News,
    TransactionAuthorized,
    TransactionEnded,
    TransactionStarted,
    VariableChanged,
)
from chargerd.ocpp.power_paths import PowerPaths
from chargerd.ocpp.profile_selection import is_to_be_cleared, reports
from chargerd.ocpp.rpc import CallFailure, CallRefused
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable, Reader, boolean, integer, member_list

SOURCE = "csms"
"""The name of the row in the limit table."""

_COMPONENT = "SmartChargingCtrlr"

ENABLED = boolean(
    _COMPONENT, "Enabled", True, writable=True, required=False, doc="Whether charging profiles are obeyed."
)
AVAILABLE = boolean(_COMPONENT, "Available", True, required=False, doc="Whether the station knows smart charging.")
PROFILE_STACK_LEVEL = integer(
    _COMPONENT, "ProfileStackLevel", profile_rules.MAX_STACK_LEVEL, doc="Highest stackLevel of a charging profile."
)
RATE_UNIT = member_list(
    _COMPONENT,
    "RateUnit",
    (ChargingRateUnit.A, ChargingRateUnit.W),
    values=tuple(ChargingRateUnit),
    doc="Units a charging schedule may use.",
)
PERIODS_PER_SCHEDULE = integer(
    _COMPONENT, "PeriodsPerSchedule", schedule.MAX_PERIODS, doc="Most periods in one charging schedule."
)
ENTRIES = integer(
    _COMPONENT,
    "Entries",
    0,
    instance="ChargingProfiles",
    maximum=profile_rules.MAX_PROFILES,
    doc="Number of charging profiles installed now.",
)


class SmartCharging(Block):
    """Charging profiles: set, get, clear, obey."""

    def __init__(self, ctx: StationContext, transactions: Transactions) -> None:
        super().__init__(ctx)
        self._transactions = transactions
        self._profiles = InstalledProfiles(ctx.store)
        self._hardware = tuple(
            schedule.Hardware(facts.max_amps, facts.phases, facts.nominal_volts) for facts in ctx.config.board.evses
        )
        self._balancer = load_balancing.Balancer(len(self._hardware))
        self._power_paths = PowerPaths(ctx.store)
        self._due_mono: float | None = None
        self._drawing: list[bool] = []

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        return (
            ENABLED,
            AVAILABLE,
            PROFILE_STACK_LEVEL,
            RATE_UNIT,
            PERIODS_PER_SCHEDULE,
            ENTRIES,
            LIMIT_CHANGE_SIGNIFICANCE,
        )

    def readers(self) -> Mapping[AnyVariable, Reader]:
        return {ENTRIES: lambda _evse_id, _connector_id: len(self._profiles.all())}

    def handlers(self) -> Handlers:
        return {
            SetChargingProfile: self._if_enabled(self._set_charging_profile),
            ClearChargingProfile: self._if_enabled(self._clear_charging_profile),
            GetChargingProfiles: self._if_enabled(self._get_charging_profiles),
            GetCompositeSchedule: self._if_enabled(self._get_composite_schedule),
        }

    def on_start(self, now: Now) -> None:
        for problem in self._profiles.reload():
            self.ctx.note(Severity.ERROR, f"smart charging: {problem}, ignoring")
        found = (self._transaction_id(evse_id) for evse_id in self.ctx.evse_ids)
        running = {transaction_id for transaction_id in found if transaction_id is not None}
        self._power_paths.reload(running)
        self._profiles.remove(lambda it: it.is_of_transaction and it.profile.transaction_id not in running)
        self._apply(now)

    def on_change(self, change: Change, now: Now) -> None:
        if isinstance(change, EvConnected | EvDisconnected | ControlRestarted) or self._who_may_draw() != self._drawing:
            self._apply(now)

    def on_news(self, news: News, now: Now) -> None:
        match news:
            case TransactionEnded(transaction_id=transaction_id):
                self._profiles.remove(
                    lambda it: it.is_of_transaction and it.profile.transaction_id == transaction_id  # K02.FR.05
                )
                self._power_paths.forget(transaction_id)
            case VariableChanged(variable) if variable is not ENABLED:
                return
            case TransactionStarted() | TransactionAuthorized() | ClockSet() | VariableChanged():
                pass
            case _:
                return
        self._apply(now)

    def next_deadline(self) -> float | None:
        return self._due_mono

    def on_time(self, now: Now) -> None:
        is_due = self._due_mono is not None and now.mono >= self._due_mono
        if is_due or self._who_may_draw() != self._drawing:
            self._apply(now)

    # ------------------------------------------------------------------ K05: a profile that comes with a remote start

    def why_not_profile(self, profile: ChargingProfile, evse_id: int, now: Now) -> StatusInfo | None:
        """F01.FR.26, K05.FR.05: why a remote start with this profile must be refused; None: it may start.

        Without smart charging the profile does not matter (K05.FR.04).
        """
        if not self.ctx.variables[ENABLED]:
            return None
        return profile_rules.why_not(self._proposal(profile, evse_id, with_remote_start=True))

    def adopt_for_transaction(self, profile: ChargingProfile, evse_id: int, transaction_id: str, now: Now) -> None:
        """F01.FR.10: the profile of a remote start, which passed `why_not_profile`, now belongs to its transaction."""
        if not self.ctx.variables[ENABLED]:
            return
        bound = msgspec.structs.replace(profile, transaction_id=transaction_id)
        self._profiles.put(Installed(evse_id, ChargingLimitSource.CSO, bound))
        self._apply(now)

    # ------------------------------------------------------------------ handlers

    def _if_enabled(self, handler: Callable[..., Wire]) -> Callable[..., Wire]:
        def handle(request: Wire, now: Now) -> Wire:
            if not self.ctx.variables[ENABLED]:
                raise CallRefused(ErrorCode.NOT_SUPPORTED, f"{ENABLED} is false")  # K01.FR.29
            return handler(request, now)

        return handle

    def _set_charging_profile(self, request: SetChargingProfile, now: Now) -> SetChargingProfileResponse:
        reason = profile_rules.why_not(self._proposal(request.charging_profile, request.evse_id))
        if reason is not None:
            return SetChargingProfileResponse(status=ChargingProfileStatus.REJECTED, status_info=reason)
        self._profiles.put(Installed(request.evse_id, ChargingLimitSource.CSO, request.charging_profile))
        self._apply(now)  # K01.FR.07, 32
        return SetChargingProfileResponse(status=ChargingProfileStatus.ACCEPTED)

    def _clear_charging_profile(self, request: ClearChargingProfile, now: Now) -> ClearChargingProfileResponse:
        cleared = self._profiles.remove(lambda it: is_to_be_cleared(it, request))  # K10.FR.03, 04
        if not cleared:
            return ClearChargingProfileResponse(status=ClearChargingProfileStatus.UNKNOWN)  # K10.FR.01, 08, 09
        self._apply(now)  # K10.FR.05, 07
        return ClearChargingProfileResponse(status=ClearChargingProfileStatus.ACCEPTED)

    def _get_charging_profiles(self, request: GetChargingProfiles, now: Now) -> GetChargingProfilesResponse:
        if not self.ctx.online:
            return GetChargingProfilesResponse(status=GetChargingProfileStatus.NO_PROFILES, status_info=_TOO_EARLY)
        found = reports(request, self._profiles.all())
        for report in found:
            self.ctx.call(report, now, _reported, _not_reported)
        status = GetChargingProfileStatus.ACCEPTED if found else GetChargingProfileStatus.NO_PROFILES
        return GetChargingProfilesResponse(status=status)

    def _get_composite_schedule(self, request: GetCompositeSchedule, now: Now) -> GetCompositeScheduleResponse:
        reason = None
        if not 0 <= request.evse_id <= len(self._hardware):
            reason = StatusInfo(reason_code="UnknownEvse")  # K08.FR.05
        elif request.duration < 0:
            reason = StatusInfo(reason_code="InvalidValue", additional_info="duration must not be negative")
        if reason is not None:
            return GetCompositeScheduleResponse(status=GenericStatus.REJECTED, status_info=reason)
        scheduler = CompositeScheduler(
            self._profiles.of_station(), [self._view(evse_id) for evse_id in self.ctx.evse_ids]
        )
        return GetCompositeScheduleResponse(
            status=GenericStatus.ACCEPTED,
            schedule=scheduler.schedule(
                request.evse_id, now.utc, request.duration, request.charging_rate_unit or ChargingRateUnit.A
            ),
        )

    def _proposal(
        self, profile: ChargingProfile, evse_id: int, *, with_remote_start: bool = False
    ) -> profile_rules.Proposal:
        return profile_rules.Proposal(
            profile=profile,
            evse_id=evse_id,
            transaction_id=self._transaction_id(evse_id) if evse_id in self.ctx.evse_ids else None,
            installed=self._profiles.all(),
            phases=tuple(hardware.phases for hardware in self._hardware),
            switchable=tuple(
                index for index, facts in enumerate(self.ctx.config.board.evses) if facts.has_phase_switch
            ),
            with_remote_start=with_remote_start,
        )

    # ------------------------------------------------------------------ the limit now

    def _apply(self, now: Now) -> None:
        """Bring the rows of all EVSEs up to date and find out when they next change."""
        at_ms = schedule.milliseconds(now.utc)
        for evse_id in self.ctx.evse_ids:
            self._mark_power_path(evse_id, now)
        views = [self._view(evse_id) for evse_id in self.ctx.evse_ids]
        station = self._profiles.of_station() if self.ctx.variables[ENABLED] else []
        allowances = [schedule.allowance(view.profiles, view.zero_ms, view.hardware, at_ms) for view in views]
        wishes = [allowance.amps for allowance in allowances]
        for view, allowance in zip(views, allowances, strict=True):
            fewer = allowance.phases if allowance.phases < view.hardware.phases else None
            self.ctx.orders.set_phases(view.evse_id, fewer)
        self._drawing = self._who_may_draw()
        total_amps = None
        if schedule.has_leader(station, None, at_ms):
            total_amps = schedule.allowance(station, None, self._station_hardware(), at_ms).amps
        granted = self._balancer.grant(total_amps, wishes, self._drawing, now.mono)
        for view, amps in zip(views, granted, strict=True):
            limited = total_amps is not None or schedule.has_leader(view.profiles, view.zero_ms, at_ms)
            row = Limit(SOURCE, _offered(amps)) if limited else None
            self.ctx.limit(view.evse_id, row, SOURCE)
        changes = [schedule.next_change_ms(view.profiles, view.zero_ms, at_ms) for view in views]
        changes.append(schedule.next_change_ms(station, None, at_ms))
        deadlines = [now.mono + (change - at_ms) / 1000 for change in changes if change is not None]
        if (yielded_mono := self._balancer.next_deadline()) is not None:
            deadlines.append(yielded_mono)
        self._due_mono = min(deadlines, default=None)

    def _view(self, evse_id: int) -> EvseView:
        transaction_id = self._transaction_id(evse_id)
        return EvseView(
            evse_id=evse_id,
            hardware=self._hardware[evse_id - 1],
            profiles=self._profiles.of_evse(evse_id, transaction_id) if self.ctx.variables[ENABLED] else [],
            zero_ms=None if transaction_id is None else self._power_paths.closed_ms(transaction_id),
        )

    def _station_hardware(self) -> schedule.Hardware:
        """All EVSEs on one connection. The worst case counts: every EVSE loads the same phases."""
        return schedule.Hardware(
            amps=sum(hardware.amps for hardware in self._hardware),
            phases=max(hardware.phases for hardware in self._hardware),
            volts=max(hardware.volts for hardware in self._hardware),
        )

    def _transaction_id(self, evse_id: int) -> str | None:
        running = self._transactions.running(evse_id)
        return None if running is None else running.transaction_id

    def _mark_power_path(self, evse_id: int, now: Now) -> None:
        running, evse = self._transactions.running(evse_id), self.ctx.evse(evse_id)
        if running is not None and running.authorized and evse is not None and evse.ev_connected:
            self._power_paths.close(running.transaction_id, now.utc)

    def _who_may_draw(self) -> list[bool]:
        return [self.ctx.orders.is_permitted(evse_id) for evse_id in self.ctx.evse_ids]


def _offered(amps: float) -> float:
    """What the pilot may say: whole 0.1 A, rounded down, and nothing below what a pilot can offer."""
    rounded = schedule.rounded_down(amps)
    return rounded if rounded >= MIN_AMPS else 0.0


_TOO_EARLY = StatusInfo(reason_code="Unspecified", additional_info="nothing may be reported before acceptance")
"""B02.FR.02 lets the CSMS ask for other messages until then, not for these."""


def _reported(_response: ReportChargingProfilesResponse, _now: Now) -> None:
    pass


def _not_reported(_failure: CallFailure, _now: Now) -> None:
    pass
