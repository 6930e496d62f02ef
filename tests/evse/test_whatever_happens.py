"""What must hold in every tick of the charging core, in worlds that chance makes."""

import pytest

from chargerd.evse.faults import TABLE, FaultCode, Origin
from tests.chargerd.evse.invariants import walk

SLOW = {FaultCode.EV_NOT_CHARGING, FaultCode.PHASE_UNBALANCE}
"""Faults that need minutes in which little else happens."""

TAKE_LONGER = SLOW | {FaultCode.RESIDUAL_DC_AGAIN, FaultCode.LATCH_BROKEN}
"""Those, and faults that need one thing to happen several times in a row."""


def test_the_invariants_hold_in_150_000_steps_of_random_walks_that_reach_every_fault() -> None:
    # Most of them in coarse ticks, for what takes minutes.
    tallies = [walk(seed, 12_500, chaotic=False, tick_s=0.02 if seed < 4 else 0.2) for seed in range(12)]
    assert all(tally.closings for tally in tallies)  # a walk in which energy never flows would prove nothing
    assert sum(tally.closings for tally in tallies) > 80
    assert sum(tally.soft_stops for tally in tallies) > 50
    seen = {code for tally in tallies for code in tally.faults_seen}
    expected = {row.code for row in TABLE if row.origin is Origin.CHARGING} - TAKE_LONGER
    assert expected <= seen, sorted(expected - seen)


def test_the_invariants_hold_in_100_000_steps_around_vehicles_that_sleep_and_phases_that_change() -> None:
    tallies = [walk(seed, 8_000, chaotic=False, tick_s=0.2, sleepy=True) for seed in range(100, 113)]
    assert sum(tally.wake_ups for tally in tallies) > 20
    assert sum(tally.switches for tally in tallies) > 5
    assert sum(tally.closings for tally in tallies) > 50
    assert {code for tally in tallies for code in tally.faults_seen} >= SLOW


@pytest.mark.parametrize("seed", range(5))
def test_no_nonsense_makes_a_step_raise_or_break_an_invariant_in_100_000_steps(seed: int) -> None:
    assert walk(seed, 20_000, chaotic=True).steps == 20_000
