"""Every reason to refuse a charging profile, one small function each, named by its requirement. Pure.

A rule gets the whole proposal and returns the reason, or None. The first rule that objects decides; the order puts
what is wrong in the profile itself before what does not fit the station or the other profiles.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from chargerd.ocpp.installed_profiles import Installed
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedulePeriod, StatusInfo

MAX_STACK_LEVEL = 9
"""SmartChargingCtrlr.ProfileStackLevel: ten levels describe a week, its exceptions and the exceptions of those."""

MAX_PROFILES = 50
"""SmartChargingCtrlr.Entries[ChargingProfiles]."""


class Proposal(msgspec.Struct, frozen=True):
    """A profile on its way in, and what it has to fit.

    `transaction_id`: of the transaction running on that EVSE, None: none. `phases`: phases of EVSE 1, 2, ...
    `switchable`: indexes in it of those that can connect one phase only.
    `with_remote_start`: it came in a RequestStartTransaction, so its transaction does not exist yet (K05).
    """

    profile: ChargingProfile
    evse_id: int
    transaction_id: str | None
    installed: tuple[Installed, ...]
    phases: tuple[int, ...]
    switchable: tuple[int, ...] = ()
    with_remote_start: bool = False

    @property
    def periods(self) -> Iterator[ChargingSchedulePeriod]:
        """The periods of all its schedules."""
        return (period for schedule in self.profile.charging_schedule for period in schedule.charging_schedule_period)

    @property
    def others(self) -> Iterator[Installed]:
        """Installed profiles of the same purpose and stack level that it would not simply replace (K01.FR.05)."""
        return (
            other
            for other in self.installed
            if other.profile.id != self.profile.id
            and other.profile.stack_level == self.profile.stack_level
            and other.profile.charging_profile_purpose is self.profile.charging_profile_purpose
        )

    def is_for(self, purpose: ChargingProfilePurpose) -> bool:
        """Whether `purpose` is its purpose."""
        return self.profile.charging_profile_purpose is purpose


def why_not(proposal: Proposal) -> StatusInfo | None:
    """The first reason to refuse the profile; None: it can be kept."""
    return next((reason for rule in RULES if (reason := rule(proposal)) is not None), None)


# ------------------------------------------------------------------ who may set what where


def external_constraints_come_from_elsewhere(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.22: this purpose only reports what others than the CSMS have set."""
    if proposal.is_for(ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS):
        return _no("InvalidProfile", "ChargingStationExternalConstraints cannot be set by the CSMS")
    return None


def external_constraints_stay(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.05: a profile with the id of an external constraint cannot replace it."""
    for other in proposal.installed:
        if other.profile.id == proposal.profile.id and other.source is not ChargingLimitSource.CSO:
            return _no("DuplicateProfile", f"id {other.profile.id} is that of an external constraint")
    return None


def evse_exists(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.28."""
    if not 0 <= proposal.evse_id <= len(proposal.phases):
        return _no("UnknownEvse", f"evseId {proposal.evse_id} is not in 0..{len(proposal.phases)}")
    return None


def station_max_is_for_the_station(proposal: Proposal) -> StatusInfo | None:
    """K04.FR.03."""
    if proposal.is_for(ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE) and proposal.evse_id != 0:
        return _no("InvalidProfile", "a ChargingStationMaxProfile must have evseId 0")
    return None


def station_max_is_not_relative(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.38: the station as a whole has no power path moment to count from."""
    is_relative = proposal.profile.charging_profile_kind is ChargingProfileKind.RELATIVE
    if proposal.is_for(ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE) and is_relative:
        return _no("InvalidProfile", "a ChargingStationMaxProfile cannot be Relative")
    return None


def tx_profile_is_for_an_evse(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.16."""
    if proposal.is_for(ChargingProfilePurpose.TX_PROFILE) and proposal.evse_id == 0:
        return _no("InvalidProfile", "a TxProfile needs an evseId above 0")
    return None


def tx_profile_has_its_transaction(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.03, 09, 33: it names the transaction that runs on its EVSE."""
    if not proposal.is_for(ChargingProfilePurpose.TX_PROFILE) or proposal.with_remote_start:
        return None
    if proposal.profile.transaction_id is None:
        return _no("MissingParam", "a TxProfile needs its transactionId")
    if proposal.profile.transaction_id != proposal.transaction_id:
        return _no("TxNotFound", f"that transaction does not run on EVSE {proposal.evse_id}")
    return None


def remote_start_brings_a_tx_profile(proposal: Proposal) -> StatusInfo | None:
    """K05.FR.02, F01.FR.26: a TxProfile that leaves the transaction open."""
    if not proposal.with_remote_start:
        return None
    if not proposal.is_for(ChargingProfilePurpose.TX_PROFILE):
        return _no("InvalidProfile", "the profile of a remote start must be a TxProfile")
    if proposal.profile.transaction_id is not None:
        return _no("InvalidProfile", "the profile of a remote start cannot name a transaction")
    return None


# ------------------------------------------------------------------ the profile in itself


def stack_level_is_in_range(proposal: Proposal) -> StatusInfo | None:
    """SmartChargingCtrlr.ProfileStackLevel."""
    if not 0 <= proposal.profile.stack_level <= MAX_STACK_LEVEL:
        return _no("InvalidStackLevel", f"stackLevel {proposal.profile.stack_level} is not in 0..{MAX_STACK_LEVEL}")
    return None


def validity_is_not_empty(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.36, 37: valid from validFrom, up to but without validTo."""
    valid_from, valid_to = proposal.profile.valid_from, proposal.profile.valid_to
    if valid_from is not None and valid_to is not None and valid_from >= valid_to:
        return _no("InvalidProfile", "validFrom is not before validTo")
    return None


def one_schedule_only(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.34: no vehicle has announced charging needs by ISO 15118, so there is nobody to choose from several."""
    if len(proposal.profile.charging_schedule) > 1:
        return _no("InvalidSchedule", "more than one chargingSchedule needs an ISO 15118 session")
    return None


def recurring_says_how_often(proposal: Proposal) -> StatusInfo | None:
    """Without recurrencyKind a Recurring profile has no meaning."""
    profile = proposal.profile
    if profile.charging_profile_kind is ChargingProfileKind.RECURRING and profile.recurrency_kind is None:
        return _no("InvalidProfile", "a Recurring profile needs its recurrencyKind")
    return None


def start_schedule_fits_kind(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.40, 41: Absolute and Recurring have a startSchedule, Relative has none."""
    is_relative = proposal.profile.charging_profile_kind is ChargingProfileKind.RELATIVE
    for schedule in proposal.profile.charging_schedule:
        if is_relative and schedule.start_schedule is not None:
            return _no("InvalidSchedule", "a Relative profile cannot have a startSchedule")
        if not is_relative and schedule.start_schedule is None:
            return _no("InvalidSchedule", "an Absolute or Recurring profile needs its startSchedule")
    return None


def duration_is_positive(proposal: Proposal) -> StatusInfo | None:
    """A schedule that lasts no time can only be a mistake."""
    if any(schedule.duration is not None and schedule.duration <= 0 for schedule in proposal.profile.charging_schedule):
        return _no("InvalidSchedule", "duration must be above 0")
    return None


def periods_begin_at_zero_and_ascend(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.31, 35."""
    for schedule in proposal.profile.charging_schedule:
        starts = [period.start_period for period in schedule.charging_schedule_period]
        if starts[0] != 0:
            return _no("InvalidSchedule", "the first startPeriod must be 0")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            return _no("InvalidSchedule", "startPeriod must increase from period to period")
    return None


def limits_are_not_negative(proposal: Proposal) -> StatusInfo | None:
    """Nothing flows back from a vehicle in OCPP 2.0.1."""
    if any(period.limit < 0 for period in proposal.periods):
        return _no("InvalidSchedule", "limit must not be negative")
    return None


# ------------------------------------------------------------------ phases


def phases_are_possible(proposal: Proposal) -> StatusInfo | None:
    """numberPhases and phaseToUse are 1 to 3."""
    for period in proposal.periods:
        for value in (period.number_phases, period.phase_to_use):
            if value is not None and not 1 <= value <= 3:
                return _no("InvalidSchedule", "numberPhases and phaseToUse must be 1 to 3")
    return None


def phase_to_use_is_for_one_phase(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.19."""
    if any(period.phase_to_use is not None and period.number_phases != 1 for period in proposal.periods):
        return _no("InvalidSchedule", "phaseToUse needs numberPhases 1")
    return None


def phase_to_use_is_the_one_in_use(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.20, 46, 48: no EVSE here can switch phases; one with a single phase always uses its first.

    This also rules out that two profiles ask for different phases, which could not be merged (K01, phase conflicts).
    """
    if any(period.phase_to_use not in {None, 1} for period in proposal.periods):
        return _no("InvalidSchedule", "the EVSE cannot choose its phase")
    return None


def number_of_phases_can_be_kept(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.43, 45: an EVSE uses all phases it has, or one where it can switch; more are imposed on those it has."""
    concerned = range(len(proposal.phases)) if proposal.evse_id == 0 else (proposal.evse_id - 1,)
    for period in proposal.periods:
        asked = period.number_phases
        if asked is None:
            continue
        for index in concerned:
            if asked < proposal.phases[index] and not (asked == 1 and index in proposal.switchable):
                return _no("InvalidSchedule", f"numberPhases {asked} cannot be ensured")
    return None


# ------------------------------------------------------------------ beside the other profiles


def there_is_room(proposal: Proposal) -> StatusInfo | None:
    """SmartChargingCtrlr.Entries[ChargingProfiles]; replacing one needs no room."""
    if any(other.profile.id == proposal.profile.id for other in proposal.installed):
        return None
    if len(proposal.installed) >= MAX_PROFILES:
        return _no("TooManyElements", f"{MAX_PROFILES} profiles are installed, clear some first")
    return None


def no_other_leads_at_the_same_time(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.06: same purpose, stack level and EVSE only where the validity periods do not overlap."""
    if proposal.is_for(ChargingProfilePurpose.TX_PROFILE):
        return None
    for other in proposal.others:
        if other.evse_id == proposal.evse_id and _overlap(other.profile, proposal.profile):
            return _duplicate(other)
    return None


def no_other_tx_profile_of_that_level(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.39: one TxProfile for each stack level of a transaction."""
    if not proposal.is_for(ChargingProfilePurpose.TX_PROFILE):
        return None
    transaction_id = proposal.profile.transaction_id or proposal.transaction_id
    for other in proposal.others:
        if other.profile.transaction_id == transaction_id:
            return _duplicate(other)
    return None


def station_and_evse_defaults_differ_in_level(proposal: Proposal) -> StatusInfo | None:
    """K01.FR.52, 53: a TxDefaultProfile of EVSE 0 is active on all EVSEs, so a level belongs to it or to the EVSEs."""
    if not proposal.is_for(ChargingProfilePurpose.TX_DEFAULT_PROFILE):
        return None
    for other in proposal.others:
        if (other.evse_id == 0) != (proposal.evse_id == 0):
            return _duplicate(other)
    return None


Rule = Callable[[Proposal], StatusInfo | None]

RULES: tuple[Rule, ...] = (
    evse_exists,
    external_constraints_come_from_elsewhere,
    external_constraints_stay,
    remote_start_brings_a_tx_profile,
    station_max_is_for_the_station,
    station_max_is_not_relative,
    tx_profile_is_for_an_evse,
    tx_profile_has_its_transaction,
    stack_level_is_in_range,
    validity_is_not_empty,
    one_schedule_only,
    recurring_says_how_often,
    start_schedule_fits_kind,
    duration_is_positive,
    periods_begin_at_zero_and_ascend,
    limits_are_not_negative,
    phases_are_possible,
    phase_to_use_is_for_one_phase,
    phase_to_use_is_the_one_in_use,
    number_of_phases_can_be_kept,
    there_is_room,
    no_other_leads_at_the_same_time,
    no_other_tx_profile_of_that_level,
    station_and_evse_defaults_differ_in_level,
)
"""All of them, in the order in which they are asked."""


def _overlap(one: ChargingProfile, other: ChargingProfile) -> bool:
    """Whether there is an instant at which both are valid; the ends are half-open (K01.FR.36, 37)."""
    one_ends_first = one.valid_to is not None and other.valid_from is not None and one.valid_to <= other.valid_from
    other_ends_first = other.valid_to is not None and one.valid_from is not None and other.valid_to <= one.valid_from
    return not one_ends_first and not other_ends_first


def _duplicate(other: Installed) -> StatusInfo:
    return _no(
        "DuplicateProfile",
        f"profile {other.profile.id} on EVSE {other.evse_id} has this purpose and stackLevel",
    )


def _no(reason_code: str, why: str) -> StatusInfo:
    return StatusInfo(reason_code=reason_code, additional_info=why)
