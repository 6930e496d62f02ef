"""Messages of block K: charging profiles, limits, and the EV's own needs."""

from msgspec import field

from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ChargingRateUnit,
    ClearChargingProfileStatus,
    EnergyTransferMode,
    GenericStatus,
    GetChargingProfileStatus,
    NotifyEVChargingNeedsStatus,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, OneOrMore, OneTo4, Percent, Seconds, Timestamp, Wire


class SetChargingProfileResponse(Wire):
    status: ChargingProfileStatus
    status_info: StatusInfo | None = None


class SetChargingProfile(Call[SetChargingProfileResponse]):
    """CSMS: obey this profile (K01 to K05)."""

    evse_id: Integer
    """0: the whole station, or a default for each EVSE."""
    charging_profile: ChargingProfile


class ChargingProfileCriterion(Wire):
    """Which profiles are meant: all conditions given must hold."""

    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None
    charging_profile_id: OneOrMore[Integer] | None = None
    """If given, nothing else may be."""
    charging_limit_source: OneTo4[ChargingLimitSource] | None = None


class GetChargingProfilesResponse(Wire):
    status: GetChargingProfileStatus
    status_info: StatusInfo | None = None


class GetChargingProfiles(Call[GetChargingProfilesResponse]):
    """CSMS: report the profiles you hold; ReportChargingProfiles follows (K09)."""

    request_id: Integer
    charging_profile: ChargingProfileCriterion
    evse_id: Integer | None = None
    """0: of the whole station only; absent: all."""


class ReportChargingProfilesResponse(Wire):
    pass


class ReportChargingProfiles(Call[ReportChargingProfilesResponse]):
    """Station: profiles of one EVSE and source (K09)."""

    request_id: Integer
    charging_limit_source: ChargingLimitSource
    charging_profile: OneOrMore[ChargingProfile]
    evse_id: Integer
    """0: profiles of the whole station."""
    tbc: bool | None = None
    """More parts follow; absent means False."""


class ClearChargingProfileType(Wire):
    """Which profiles to forget: all conditions given must hold.

    Keeps Type in its name: ClearChargingProfile is the action.
    """

    evse_id: Integer | None = None
    """0: of the whole station only; absent: all."""
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None


class ClearChargingProfileResponse(Wire):
    status: ClearChargingProfileStatus
    status_info: StatusInfo | None = None


class ClearChargingProfile(Call[ClearChargingProfileResponse]):
    """CSMS: forget the profile of this id, or all that match (K10)."""

    charging_profile_id: Integer | None = None
    charging_profile_criteria: ClearChargingProfileType | None = None


class CompositeSchedule(Wire):
    """The limits that result from all profiles, over a window of time."""

    charging_schedule_period: OneOrMore[ChargingSchedulePeriod]
    evse_id: Integer
    """0: the whole station."""
    duration: Seconds
    """Seconds from scheduleStart."""
    schedule_start: Timestamp
    """What startPeriod counts from."""
    charging_rate_unit: ChargingRateUnit


class GetCompositeScheduleResponse(Wire):
    status: GenericStatus
    status_info: StatusInfo | None = None
    schedule: CompositeSchedule | None = None


class GetCompositeSchedule(Call[GetCompositeScheduleResponse]):
    """CSMS: what limit results from all profiles together? (K08)"""

    duration: Seconds
    evse_id: Integer
    """0: at the grid connection."""
    charging_rate_unit: ChargingRateUnit | None = None


class ChargingLimit(Wire):
    """A limit by somebody other than the CSMS."""

    charging_limit_source: ChargingLimitSource
    is_grid_critical: bool | None = None


class NotifyChargingLimitResponse(Wire):
    pass


class NotifyChargingLimit(Call[NotifyChargingLimitResponse]):
    """Station: somebody else limits charging (K12, K13)."""

    charging_limit: ChargingLimit
    charging_schedule: OneOrMore[ChargingSchedule] | None = None
    evse_id: Integer | None = None
    """Absent: the whole station."""


class ClearedChargingLimitResponse(Wire):
    pass


class ClearedChargingLimit(Call[ClearedChargingLimitResponse]):
    """Station: a limit set by somebody else is gone (K13)."""

    charging_limit_source: ChargingLimitSource
    evse_id: Integer | None = None
    """Absent: the whole station."""


class ACChargingParameters(Wire):
    """What an EV wants on AC (K15): watt-hours, amperes per phase, volts."""

    energy_amount: Integer
    """Wh, losses between EVSE and battery included."""
    ev_min_current: Integer
    """A per phase."""
    ev_max_current: Integer
    """A per phase, cable included."""
    ev_max_voltage: Integer
    """V."""


class DCChargingParameters(Wire):
    """What an EV wants on DC (K15): watt-hours, amperes, volts, watts, and states of charge."""

    ev_max_current: Integer
    """A, cable included."""
    ev_max_voltage: Integer
    """V."""
    energy_amount: Integer | None = None
    """Wh."""
    ev_max_power: Integer | None = None
    """W."""
    state_of_charge: Percent | None = None
    """Percent of the capacity, now."""
    ev_energy_capacity: Integer | None = None
    """Wh."""
    full_soc: Percent | None = field(name="fullSoC", default=None)
    """Percent at which the EV counts as full."""
    bulk_soc: Percent | None = field(name="bulkSoC", default=None)
    """Percent at which fast charging ends."""


class ChargingNeeds(Wire):
    """What the EV has said about its needs."""

    requested_energy_transfer: EnergyTransferMode
    ac_charging_parameters: ACChargingParameters | None = None
    dc_charging_parameters: DCChargingParameters | None = None
    departure_time: Timestamp | None = None
    """When the EV expects to leave."""


class NotifyEVChargingNeedsResponse(Wire):
    status: NotifyEVChargingNeedsStatus
    status_info: StatusInfo | None = None


class NotifyEVChargingNeeds(Call[NotifyEVChargingNeedsResponse]):
    """Station: what the EV asks for (K15 to K17, ISO 15118)."""

    charging_needs: ChargingNeeds
    evse_id: Integer
    max_schedule_tuples: Integer | None = None
    """How many schedule entries the EV can take."""


class NotifyEVChargingScheduleResponse(Wire):
    status: GenericStatus
    status_info: StatusInfo | None = None


class NotifyEVChargingSchedule(Call[NotifyEVChargingScheduleResponse]):
    """Station: what the EV intends to take (K15 to K17, ISO 15118)."""

    time_base: Timestamp
    """What the schedule counts from."""
    charging_schedule: ChargingSchedule
    evse_id: Integer
