"""K01: each reason to refuse a profile, and that the good ones pass."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from chargerd.ocpp import profile_rules
from chargerd.ocpp.installed_profiles import Installed
from chargerd.ocpp.messages.enums import (
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    RecurrencyKind,
)
from chargerd.ocpp.messages.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from chargerd.ocpp.profile_rules import MAX_PROFILES, MAX_STACK_LEVEL, RULES, Proposal, why_not

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TX, TX_DEFAULT = ChargingProfilePurpose.TX_PROFILE, ChargingProfilePurpose.TX_DEFAULT_PROFILE
STATION_MAX = ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
EXTERNAL = ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS


def period(start: int = 0, limit: float = 10.0, **fields: Any) -> ChargingSchedulePeriod:
    return ChargingSchedulePeriod(start_period=start, limit=limit, **fields)


def schedule(*periods: ChargingSchedulePeriod, **fields: Any) -> ChargingSchedule:
    defaults: dict[str, Any] = {"id": 1, "charging_rate_unit": ChargingRateUnit.A, "start_schedule": NOON}
    return ChargingSchedule(charging_schedule_period=periods or (period(),), **(defaults | fields))


def profile(**fields: Any) -> ChargingProfile:
    defaults: dict[str, Any] = {
        "id": 1,
        "stack_level": 0,
        "charging_profile_purpose": TX_DEFAULT,
        "charging_profile_kind": ChargingProfileKind.ABSOLUTE,
        "charging_schedule": (schedule(),),
    }
    return ChargingProfile(**(defaults | fields))


def proposal(evse_id: int = 1, *installed: Installed, **fields: Any) -> Proposal:
    return Proposal(
        profile=profile(**fields), evse_id=evse_id, transaction_id="tx-1", installed=installed, phases=(3, 3)
    )


def installed(evse_id: int = 1, source: ChargingLimitSource = ChargingLimitSource.CSO, **fields: Any) -> Installed:
    return Installed(evse_id, source, profile(**({"id": 99} | fields)))


def refused(one: Proposal) -> str | None:
    reason = why_not(one)
    return None if reason is None else reason.reason_code


RELATIVE = {
    "charging_profile_kind": ChargingProfileKind.RELATIVE,
    "charging_schedule": (schedule(start_schedule=None),),
}


@pytest.mark.parametrize(
    "good",
    [
        proposal(0, charging_profile_purpose=STATION_MAX),
        proposal(0),
        proposal(1),
        proposal(2, **RELATIVE),
        proposal(1, charging_profile_purpose=TX, transaction_id="tx-1"),
        proposal(
            1, charging_profile_kind=ChargingProfileKind.RECURRING, recurrency_kind=RecurrencyKind.DAILY, stack_level=9
        ),
        proposal(1, charging_schedule=(schedule(period(0), period(1, 0.0), period(60, 7.5), duration=1),)),
        proposal(1, charging_schedule=(schedule(period(number_phases=3)),)),
    ],
)
def test_K01_FR_04_a_good_profile_is_taken(good: Proposal) -> None:
    assert why_not(good) is None


def test_K01_FR_28_an_evse_that_does_not_exist_is_refused() -> None:
    assert [refused(proposal(evse_id)) for evse_id in (-1, 0, 2, 3)] == ["UnknownEvse", None, None, "UnknownEvse"]


def test_K01_FR_22_the_csms_cannot_set_external_constraints() -> None:
    assert refused(proposal(0, charging_profile_purpose=EXTERNAL)) == "InvalidProfile"


def test_K01_FR_05_an_external_constraint_is_not_replaced_but_a_profile_of_the_csms_is() -> None:
    external = installed(0, ChargingLimitSource.EMS, id=1, charging_profile_purpose=EXTERNAL)
    assert refused(proposal(1, external)) == "DuplicateProfile"
    assert refused(proposal(1, installed(0, id=1))) is None


def test_K04_FR_03_a_station_maximum_is_for_evse_0_only() -> None:
    assert refused(proposal(1, charging_profile_purpose=STATION_MAX)) == "InvalidProfile"


def test_K01_FR_38_a_station_maximum_is_not_relative() -> None:
    assert refused(proposal(0, charging_profile_purpose=STATION_MAX, **RELATIVE)) == "InvalidProfile"


def test_K01_FR_16_a_tx_profile_is_not_for_the_whole_station() -> None:
    assert refused(proposal(0, charging_profile_purpose=TX, transaction_id="tx-1")) == "InvalidProfile"


def test_K01_FR_03_a_tx_profile_names_its_transaction() -> None:
    assert refused(proposal(1, charging_profile_purpose=TX)) == "MissingParam"


def test_K01_FR_33_a_tx_profile_of_an_unknown_transaction_is_refused() -> None:
    assert refused(proposal(1, charging_profile_purpose=TX, transaction_id="tx-2")) == "TxNotFound"


def test_K01_FR_09_a_tx_profile_without_a_transaction_on_the_evse_is_refused() -> None:
    idle = msgspec.structs.replace(proposal(1, charging_profile_purpose=TX, transaction_id="tx-1"), transaction_id=None)
    assert refused(idle) == "TxNotFound"


def test_K05_FR_02_a_remote_start_brings_a_tx_profile_without_transaction() -> None:
    def remote(**fields: Any) -> Proposal:
        return msgspec.structs.replace(proposal(1, **fields), transaction_id=None, with_remote_start=True)

    assert refused(remote(charging_profile_purpose=TX)) is None
    assert refused(remote(charging_profile_purpose=TX, transaction_id="tx-1")) == "InvalidProfile"
    assert refused(remote()) == "InvalidProfile"


def test_a_stack_level_above_the_maximum_is_refused() -> None:
    found = [refused(proposal(1, stack_level=level)) for level in (-1, 0, MAX_STACK_LEVEL, MAX_STACK_LEVEL + 1)]
    assert found == ["InvalidStackLevel", None, None, "InvalidStackLevel"]


def test_K01_FR_37_a_validity_that_ends_where_it_begins_is_refused() -> None:
    assert refused(proposal(1, valid_from=NOON, valid_to=NOON)) == "InvalidProfile"
    assert refused(proposal(1, valid_from=NOON, valid_to=NOON + timedelta(seconds=1))) is None


def test_K01_FR_34_only_one_schedule_without_iso_15118() -> None:
    assert refused(proposal(1, charging_schedule=(schedule(), schedule()))) == "InvalidSchedule"


def test_a_recurring_profile_says_how_often() -> None:
    assert refused(proposal(1, charging_profile_kind=ChargingProfileKind.RECURRING)) == "InvalidProfile"


def test_K01_FR_40_an_absolute_profile_needs_its_start() -> None:
    assert refused(proposal(1, charging_schedule=(schedule(start_schedule=None),))) == "InvalidSchedule"


def test_K01_FR_41_a_relative_profile_has_no_start() -> None:
    assert refused(proposal(1, charging_profile_kind=ChargingProfileKind.RELATIVE)) == "InvalidSchedule"


@pytest.mark.parametrize("duration", [0, -1])
def test_a_schedule_lasts_some_time(duration: int) -> None:
    assert refused(proposal(1, charging_schedule=(schedule(duration=duration),))) == "InvalidSchedule"


@pytest.mark.parametrize("start", [-1, 1])
def test_K01_FR_31_the_first_period_starts_at_0(start: int) -> None:
    assert refused(proposal(1, charging_schedule=(schedule(period(start)),))) == "InvalidSchedule"


@pytest.mark.parametrize("starts", [(0, 0), (0, 10, 10), (0, 20, 10)])
def test_K01_FR_35_periods_are_in_order(starts: tuple[int, ...]) -> None:
    assert refused(proposal(1, charging_schedule=(schedule(*map(period, starts)),))) == "InvalidSchedule"


def test_a_negative_limit_is_refused_and_0_is_not() -> None:
    assert refused(proposal(1, charging_schedule=(schedule(period(limit=-0.1)),))) == "InvalidSchedule"
    assert refused(proposal(1, charging_schedule=(schedule(period(limit=0.0)),))) is None


@pytest.mark.parametrize("phases", [0, 4])
def test_numberPhases_is_1_to_3(phases: int) -> None:
    assert refused(proposal(1, charging_schedule=(schedule(period(number_phases=phases)),))) == "InvalidSchedule"


def test_K01_FR_19_phaseToUse_needs_one_phase() -> None:
    one_phase = msgspec.structs.replace(
        proposal(1, charging_schedule=(schedule(period(number_phases=3, phase_to_use=1)),)), phases=(1,)
    )
    assert refused(one_phase) == "InvalidSchedule"


def test_K01_FR_48_an_evse_that_cannot_switch_refuses_another_phase() -> None:
    def on_one_phase(phase: int) -> Proposal:
        chosen = (schedule(period(number_phases=1, phase_to_use=phase)),)
        return msgspec.structs.replace(proposal(1, charging_schedule=chosen), phases=(1,))

    assert [refused(on_one_phase(phase)) for phase in (1, 2)] == [None, "InvalidSchedule"]


def test_K01_FR_20_an_evse_of_three_phases_cannot_be_told_which_one_to_use() -> None:
    assert refused(proposal(1, charging_schedule=(schedule(period(number_phases=1, phase_to_use=1)),)))


def test_K01_FR_43_fewer_phases_than_the_evse_uses_cannot_be_ensured() -> None:
    one = proposal(1, charging_schedule=(schedule(period(number_phases=1)),))
    assert refused(one) == "InvalidSchedule"
    assert refused(msgspec.structs.replace(one, phases=(1, 3))) is None
    assert refused(msgspec.structs.replace(one, phases=(1, 3), evse_id=0)) == "InvalidSchedule"


def test_K01_FR_43_an_evse_that_switches_can_be_held_to_one_phase_but_not_to_two() -> None:
    def on(phases: int, *, switchable: tuple[int, ...]) -> Proposal:
        chosen = (schedule(period(number_phases=phases)),)
        return msgspec.structs.replace(proposal(1, charging_schedule=chosen), switchable=switchable)

    assert refused(on(1, switchable=(0,))) is None
    assert refused(on(2, switchable=(0,))) == "InvalidSchedule"
    assert refused(on(1, switchable=(1,))) == "InvalidSchedule"


def test_K01_FR_45_more_phases_than_the_evse_has_are_taken() -> None:
    three = proposal(1, charging_schedule=(schedule(period(number_phases=3)),))
    assert refused(msgspec.structs.replace(three, phases=(1,))) is None


def test_when_all_entries_are_taken_only_a_replacement_is_accepted() -> None:
    full = tuple(installed(2, id=number, stack_level=0) for number in range(100, 100 + MAX_PROFILES))
    assert refused(proposal(1, *full)) == "TooManyElements"
    assert refused(proposal(1, *full[1:])) is None
    assert refused(proposal(2, *full[1:], id=101, stack_level=5)) is None


def test_K01_FR_06_no_two_profiles_of_a_level_are_valid_at_once() -> None:
    other = installed(1, valid_from=NOON, valid_to=NOON + timedelta(hours=1))
    assert refused(proposal(1, other)) == "DuplicateProfile"
    assert refused(proposal(1, other, valid_from=NOON + timedelta(minutes=59))) == "DuplicateProfile"
    assert refused(proposal(1, other, valid_from=NOON + timedelta(hours=1))) is None
    assert refused(proposal(1, other, valid_to=NOON)) is None
    assert refused(proposal(1, other, valid_to=NOON + timedelta(milliseconds=1))) == "DuplicateProfile"
    assert refused(proposal(1, other, stack_level=1)) is None
    assert refused(proposal(2, other)) is None


def test_K01_FR_39_one_tx_profile_for_each_level_of_a_transaction() -> None:
    other = installed(1, charging_profile_purpose=TX, transaction_id="tx-1", valid_to=NOON)
    new: dict[str, Any] = {"charging_profile_purpose": TX, "transaction_id": "tx-1", "valid_from": NOON}
    assert refused(proposal(1, other, **new)) == "DuplicateProfile"
    assert refused(proposal(1, other, **(new | {"stack_level": 1}))) is None


def test_K01_FR_52_a_default_for_all_evses_is_refused_beside_one_of_that_level_on_an_evse() -> None:
    assert refused(proposal(0, installed(2))) == "DuplicateProfile"
    assert refused(proposal(0, installed(2, stack_level=1))) is None


def test_K01_FR_53_a_default_for_an_evse_is_refused_beside_one_of_that_level_for_all() -> None:
    assert refused(proposal(1, installed(0))) == "DuplicateProfile"
    assert refused(proposal(1, installed(0, id=1))) is None


def test_every_rule_of_the_file_is_asked() -> None:
    takes_a_proposal: Callable[[Any], bool] = lambda it: (  # noqa: E731
        callable(it) and getattr(it, "__annotations__", {}).get("proposal") is Proposal
    )
    public = {name for name, it in vars(profile_rules).items() if takes_a_proposal(it) and not name.startswith("_")}
    assert public - {"why_not"} == {rule.__name__ for rule in RULES}
