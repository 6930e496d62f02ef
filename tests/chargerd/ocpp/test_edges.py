from typing import Any

import msgspec
import pytest

from chargerd.evse.types import ActiveFault, EvseStatus, PilotState, Status, TokenSeen
from chargerd.limits import Limit
from chargerd.ocpp.edges import (
    Change,
    ControlRestarted,
    EnergyOff,
    EnergyOn,
    EvConnected,
    EvDisconnected,
    FaultCleared,
    FaultRaised,
    LimitChanged,
    MeterArrived,
    PilotChanged,
    SuspensionChanged,
    TokenPresented,
    UnlockDone,
    changes,
    is_energy_on,
    is_held_by_evse,
)
from hal.types import MeterSample, PilotMode, Token, TokenKind
from tests.chargerd.ocpp.building import board

IDLE = EvseStatus(evse_id=1, pilot_state=PilotState.A)
PLUGGED = msgspec.structs.replace(IDLE, pilot_state=PilotState.B, ev_connected=True, plug_count=1, plugged_wh=10.0)
OFFERED = msgspec.structs.replace(PLUGGED, pilot_mode=PilotMode.PWM, offered_amps=16.0)
CHARGING = msgspec.structs.replace(
    OFFERED,
    pilot_state=PilotState.C,
    relay_commanded=True,
    relay_closed=True,
    energy_on_count=1,
    energy_on_wh=11.0,
)
CARD = TokenSeen(Token("04AABBCC", TokenKind.ISO14443, 5.0), 1)


def status(evse: EvseStatus, run_id: str = "run-1", at_mono: float = 7.0) -> Status:
    return Status(run_id=run_id, seq=1, at_mono=at_mono, board=board(), evses=(evse,))


def between(before: EvseStatus, after: EvseStatus) -> list[Change]:
    return list(changes(status(before), status(after)))


def kinds(found: list[Change]) -> list[type[Change]]:
    return [type(change) for change in found]


def test_nothing_happened_between_equal_snapshots() -> None:
    assert between(CHARGING, CHARGING) == []


def test_plugging_in_is_told_with_the_register() -> None:
    assert EvConnected(1, 7.0, 10.0) in between(IDLE, PLUGGED)


def test_unplugging_is_told() -> None:
    assert EvDisconnected(1, 7.0) in between(PLUGGED, IDLE)


def test_energy_ends_before_the_vehicle_leaves() -> None:
    gone = msgspec.structs.replace(IDLE, plug_count=1, energy_on_count=1, energy_off_wh=99.0)
    found = [change for change in between(CHARGING, gone) if isinstance(change, EnergyOff | EvDisconnected)]
    assert found == [EnergyOff(1, 7.0, 99.0, by_ev=False), EvDisconnected(1, 7.0)]


def test_a_replugging_between_two_snapshots_is_seen_by_its_count() -> None:
    replugged = msgspec.structs.replace(PLUGGED, plug_count=2)
    assert kinds(between(PLUGGED, replugged)) == [EvDisconnected, EvConnected]


def test_a_vehicle_that_came_and_left_between_two_snapshots_is_seen_by_its_count() -> None:
    after = msgspec.structs.replace(IDLE, plug_count=1)
    assert kinds(between(IDLE, after)) == [EvConnected, EvDisconnected]


def test_energy_that_came_and_went_between_two_snapshots_is_seen_by_its_count() -> None:
    after = msgspec.structs.replace(OFFERED, energy_on_count=1)
    assert kinds(between(OFFERED, after)) == [EnergyOn, EnergyOff]


def test_energy_that_went_and_came_back_between_two_snapshots_is_seen_by_its_count() -> None:
    after = msgspec.structs.replace(CHARGING, energy_on_count=2)
    assert kinds(between(CHARGING, after)) == [EnergyOff, EnergyOn]


def test_energy_begins_when_the_contactor_is_confirmed_closed() -> None:
    assert EnergyOn(1, 7.0, 11.0) in between(OFFERED, CHARGING)


def test_without_feedback_the_command_counts() -> None:
    assert is_energy_on(msgspec.structs.replace(CHARGING, relay_closed=None))
    assert not is_energy_on(msgspec.structs.replace(CHARGING, relay_closed=False))


@pytest.mark.parametrize(
    "fields, by_ev",
    [
        ({"pilot_state": PilotState.B}, True),
        ({"pilot_state": PilotState.B, "offered_amps": 0.0}, False),
        ({"pilot_state": PilotState.C}, False),
    ],
)
def test_the_vehicle_paused_only_if_it_went_to_b_while_current_was_offered(fields: dict[str, Any], by_ev: bool) -> None:
    after = msgspec.structs.replace(CHARGING, relay_commanded=False, relay_closed=False, **fields)
    (off,) = [change for change in between(CHARGING, after) if isinstance(change, EnergyOff)]
    assert off.by_ev is by_ev


def test_the_register_of_an_earlier_opening_is_not_taken_while_the_contactor_still_stands_closed() -> None:
    sample = MeterSample(6.9, 50.0, 0.0, (0.0,), (230.0,))
    after = msgspec.structs.replace(CHARGING, pilot_state=PilotState.B, energy_off_wh=12.0, meter=sample)
    (off,) = [change for change in between(CHARGING, after) if isinstance(change, EnergyOff)]
    assert off.register_wh == 50.0


def test_who_holds_energy_back_is_told_only_while_none_flows() -> None:
    assert SuspensionChanged(1, by_evse=False) in between(PLUGGED, OFFERED)
    stopping = msgspec.structs.replace(CHARGING, offered_amps=0.0)
    assert not any(isinstance(change, SuspensionChanged) for change in between(CHARGING, stopping))
    assert is_held_by_evse(PLUGGED)
    assert not is_held_by_evse(OFFERED)


def test_a_vehicle_that_is_being_woken_still_holds_energy_back_itself() -> None:
    woken = msgspec.structs.replace(OFFERED, offered_amps=0.0, waking=True)
    assert not is_held_by_evse(woken)
    assert not any(isinstance(change, SuspensionChanged) for change in between(OFFERED, woken))


def test_a_limit_that_is_only_renewed_is_no_news_but_its_fallback_is() -> None:
    leased = msgspec.structs.replace(PLUGGED, limit=Limit("csms", 10.0, until_mono=50.0, then_amps=10.0))
    renewed = msgspec.structs.replace(PLUGGED, limit=Limit("csms", 10.0, until_mono=60.0, then_amps=10.0))
    silent = msgspec.structs.replace(PLUGGED, limit=Limit("csms", 10.0, fallback=True))
    assert between(leased, renewed) == []
    assert between(renewed, silent) == [LimitChanged(1, renewed.limit, silent.limit)]


def test_a_fault_is_told_before_the_loss_of_energy_that_it_explains() -> None:
    fault = ActiveFault("residual_ac", 6.9)
    after = msgspec.structs.replace(CHARGING, relay_commanded=False, relay_closed=False, faults=(fault,))
    assert kinds(between(CHARGING, after))[:2] == [FaultRaised, EnergyOff]


def test_a_fault_is_told_once_and_its_end_once() -> None:
    faulted = msgspec.structs.replace(IDLE, faults=(ActiveFault("diode", 1.0),))
    again = msgspec.structs.replace(IDLE, faults=(ActiveFault("diode", 1.0, "more"),))
    assert between(IDLE, faulted) == [FaultRaised(1, ActiveFault("diode", 1.0))]
    assert between(faulted, again) == []
    assert between(again, IDLE) == [FaultCleared(1, "diode")]


def test_a_token_is_told_after_the_vehicle_it_is_meant_for() -> None:
    after = msgspec.structs.replace(PLUGGED, token=CARD)
    found = kinds(between(IDLE, after))
    assert found.index(EvConnected) < found.index(TokenPresented)


def test_the_same_token_again_is_a_new_presentation() -> None:
    before = msgspec.structs.replace(IDLE, token=CARD)
    after = msgspec.structs.replace(IDLE, token=TokenSeen(CARD.token, 2))
    assert between(before, after) == [TokenPresented(1, CARD.token)]


def test_limit_meter_pilot_and_unlock_are_told() -> None:
    sample = MeterSample(6.9, 50.0, 0.0, (0.0,), (230.0,))
    after = msgspec.structs.replace(
        PLUGGED, limit=Limit("csms", 10.0), meter=sample, unlock_seq=3, unlocked=True, pilot_state=PilotState.C
    )
    assert between(PLUGGED, after) == [
        LimitChanged(1, PLUGGED.limit, Limit("csms", 10.0)),
        MeterArrived(1, sample),
        PilotChanged(1, PilotState.B, PilotState.C),
        UnlockDone(1, 3, unlocked=True),
    ]


def test_the_first_snapshot_ever_tells_what_stands_and_nothing_that_is_past() -> None:
    after = msgspec.structs.replace(CHARGING, plug_count=9, energy_on_count=9, token=CARD, unlock_seq=4, unlocked=True)
    found = kinds(list(changes(None, status(after))))
    assert found[0] is ControlRestarted
    assert found.count(EvConnected) == found.count(EnergyOn) == 1
    assert TokenPresented not in found
    assert UnlockDone not in found


def test_the_first_snapshot_ever_tells_of_no_vehicle_that_left_before() -> None:
    found = changes(None, status(msgspec.structs.replace(IDLE, plug_count=5, energy_on_count=3)))
    assert found == (ControlRestarted(first=True), PilotChanged(1, PilotState.UNKNOWN, PilotState.A))


def test_a_new_run_begins_its_counters_again_and_its_first_token_is_new() -> None:
    before = msgspec.structs.replace(CHARGING, token=TokenSeen(CARD.token, 1))
    after = msgspec.structs.replace(PLUGGED, token=CARD)
    found = kinds(list(changes(status(before), status(after, run_id="run-2"))))
    assert found[0] is ControlRestarted
    assert EvConnected in found
    assert TokenPresented in found


def test_a_new_run_that_does_not_confirm_a_fault_has_cleared_it() -> None:
    before = msgspec.structs.replace(IDLE, faults=(ActiveFault("meter_silent", 1.0),))
    assert FaultCleared(1, "meter_silent") in changes(status(before), status(IDLE, run_id="run-2"))
