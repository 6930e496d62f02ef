"""Some rounds of talk in every test run; and proof that it is varied, and that the watch over it can bark."""

import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from chargerd.ocpp.effects import Note, Severity
from chargerd.ocpp.messages import INCOMING
from tests.chargerd.ocpp.messages import oracle
from tests.sim.chatter import Chatter
from tests.sim.fuzz import ANSWER_WITHIN_S, Fuzz, fuzz
from tests.sim.invariants import BrokenInvariant
from tests.sim.world import World

ROUNDS = 6
MESSAGES = 2000


@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_whatever_the_csms_says_the_invariants_hold(seed: int) -> None:
    assert fuzz(seed, duration_s=0.0), "something was said"


def test_the_same_seed_says_the_same() -> None:
    first, second = Fuzz(3), Fuzz(3)
    first.run()
    second.run()
    assert first.world.messages_out == second.world.messages_out
    assert first.world.diary == second.world.diary


def test_every_action_is_said_in_order_and_with_faults() -> None:
    world = World(1)
    world.run(5.0)
    chatter = Chatter(world, Random(1))
    said: Counter[tuple[str, bool]] = Counter()
    for _ in range(MESSAGES):
        action, payload = chatter.message()
        said[action, oracle.validator_of(f"{action}Request").is_valid(payload)] += 1
    assert {action for action, _ in said} == {call.action for call in INCOMING}
    assert 0.1 < sum(count for (_, is_valid), count in said.items() if not is_valid) / MESSAGES < 0.4
    world.close()


# ---------------------------------------------------------------------- the watch barks


@pytest.fixture
def one() -> Fuzz:
    one = Fuzz(1)
    one.world.run(5.0, one.look)
    return one


def answered(one: Fuzz, action: str, payload: dict[str, Any], answer: list[Any]) -> None:
    """The station seems to have said `answer`."""
    one.world.csms.answers.append((action, payload, answer))


@pytest.mark.parametrize(
    "action,payload,answer,rule",
    [
        ("ClearCache", {}, [4, "1", "InternalError", "", {}], "InternalError"),
        ("ClearCache", {}, [4, "1", "NoSuchCode", "", {}], "NoSuchCode"),
        ("ClearCache", {"x": 1}, [3, "1", {"status": "Accepted"}], "which is not valid"),
        ("ClearCache", {}, [3, "1", {"status": "Perhaps"}], "is not valid, to"),
    ],
)
def test_a_wrong_answer_is_noticed(
    one: Fuzz, action: str, payload: dict[str, Any], answer: list[Any], rule: str
) -> None:
    answered(one, action, payload, answer)
    with pytest.raises(BrokenInvariant, match=rule):
        one.look()


def test_an_answer_that_never_comes_is_noticed(one: Fuzz) -> None:
    one.world.csms.open_calls["csms-99"] = ("ClearCache", {})
    with pytest.raises(BrokenInvariant, match="no answer to"):
        one.world.run(ANSWER_WITHIN_S + 2.0, one.look)


def test_an_error_of_ours_is_noticed_and_the_seed_is_named(one: Fuzz) -> None:
    one.world.notes.append(Note(Severity.ERROR, "rpc: Reset failed"))
    with pytest.raises(BrokenInvariant, match=r"(?s)rpc: Reset failed.*make fuzz SEED=1 DURATION_S=0"):
        one.look()


def test_a_second_answer_is_noticed(one: Fuzz) -> None:
    one.world.messages_out += [json.dumps([3, "csms-9", {}])] * 2
    with pytest.raises(BrokenInvariant, match="two replies"):
        one.look()
