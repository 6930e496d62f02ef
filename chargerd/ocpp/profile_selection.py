"""K09, K10: which installed profiles a request means, and the messages that report them. Pure."""

from collections.abc import Iterable

from chargerd.ocpp.installed_profiles import Installed
from chargerd.ocpp.messages.enums import ChargingLimitSource
from chargerd.ocpp.messages.smart_charging import (
    ChargingProfileCriterion,
    ClearChargingProfile,
    GetChargingProfiles,
    ReportChargingProfiles,
)
from chargerd.ocpp.messages.types import ChargingProfile

PERIODS_PER_REPORT = 500
"""ReportChargingProfiles is split so that one message stays well below the size cap of the link."""


def is_to_be_cleared(installed: Installed, request: ClearChargingProfile) -> bool:
    """Whether `request` clears this profile (K10.FR.03, 04); never one that the CSMS did not set (K10.FR.08, 09)."""
    if not installed.is_clearable:
        return False
    if request.charging_profile_id is not None:
        return installed.profile.id == request.charging_profile_id
    wanted = request.charging_profile_criteria
    if wanted is None:
        return True
    return (
        wanted.evse_id in {None, installed.evse_id}
        and wanted.charging_profile_purpose in {None, installed.purpose}
        and wanted.stack_level in {None, installed.profile.stack_level}
    )


def reports(request: GetChargingProfiles, installed: Iterable[Installed]) -> list[ReportChargingProfiles]:
    """The answer to `request`: each message for one EVSE and one source, none too long (K09.FR.01, 02, 04 to 06)."""
    parts: list[tuple[int, ChargingLimitSource, list[ChargingProfile]]] = []
    found = [
        it for it in installed if request.evse_id in {None, it.evse_id} and _is_asked_for(it, request.charging_profile)
    ]
    for it in sorted(found, key=lambda it: (it.evse_id, it.source)):
        if (
            parts
            and parts[-1][:2] == (it.evse_id, it.source)
            and _periods(*parts[-1][2], it.profile) <= PERIODS_PER_REPORT
        ):
            parts[-1][2].append(it.profile)
        else:
            parts.append((it.evse_id, it.source, [it.profile]))
    return [
        ReportChargingProfiles(
            request_id=request.request_id,
            charging_limit_source=source,
            charging_profile=tuple(profiles),
            evse_id=evse_id,
            tbc=True if number < len(parts) else None,
        )
        for number, (evse_id, source, profiles) in enumerate(parts, start=1)
    ]


def _is_asked_for(installed: Installed, wanted: ChargingProfileCriterion) -> bool:
    """K09.FR.03: all that is given must match; ids alone decide, for they leave nothing open."""
    if wanted.charging_profile_id is not None:
        return installed.profile.id in wanted.charging_profile_id
    return (
        wanted.charging_profile_purpose in {None, installed.purpose}
        and wanted.stack_level in {None, installed.profile.stack_level}
        and (wanted.charging_limit_source is None or installed.source in wanted.charging_limit_source)
    )


def _periods(*profiles: ChargingProfile) -> int:
    return sum(len(one.charging_schedule_period) for profile in profiles for one in profile.charging_schedule)
