"""The pieces of a step: what a person's answer makes of a measurement, and how long something is waited for."""

from collections.abc import Iterator

import pytest

from chargerd.ctl.bring_up_acts import Ask, Look, Place, Result, Value, confirmed, failed, fitted, ok, skipped, until
from chargerd.ctl.terminal import Reply
from tests.chargerd.ctl.walking import all_devices, full_world


@pytest.mark.parametrize(
    "reply, result, note",
    [
        (Reply.YES, Result.OK, ""),
        (Reply.NO, Result.FAILED, "answered no to: right?"),
        (Reply.SKIP, Result.SKIPPED, "measured, but judged by nobody"),
    ],
)
def test_a_person_judges_what_was_measured(reply: Reply, result: Result, note: str) -> None:
    script = confirmed("right?", Value("x", 1.0))
    assert next(script) == Ask("right?")
    with pytest.raises(StopIteration) as end:
        script.send(reply)
    assert (end.value.value.result, end.value.value.note, end.value.value.values) == (result, note, (Value("x", 1.0),))


def test_outcomes_carry_their_values() -> None:
    value = Value("closed after", 31.259, "ms")
    assert [each.result for each in (ok(value), failed("why", value), skipped("why", value))] == list(Result)
    assert str(value) == "closed after 31.26 ms"
    assert str(Value("kind", "ISO14443")) == "kind ISO14443"


def test_a_device_that_is_not_fitted_has_no_steps() -> None:
    with pytest.raises(AssertionError, match="fitted devices only"):
        fitted(None)


def looking(replies: Iterator[Reply], wanted: int, readings: Iterator[int], **bounds: float) -> tuple[int, bool, int]:
    """The last reading, whether it is the one, and how often it was shown."""
    world = full_world()
    place = Place(1, world.evse.facts, all_devices(world), world.monotonic)
    script = until(place, lambda: next(readings), lambda found: found == wanted, str, **bounds)
    looks = 0
    try:
        act = next(script)
        while True:
            assert isinstance(act, Look)
            looks += 1
            world.wait(act.for_s)
            act = script.send(next(replies))
    except StopIteration as end:
        return (*end.value, looks)


def test_what_is_so_at_once_is_not_waited_for() -> None:
    assert looking(iter(()), 7, iter([7])) == (7, True, 0)


def test_it_is_looked_at_until_it_is_so() -> None:
    nothing = iter([Reply.NOTHING] * 10)
    assert looking(nothing, 7, iter([1, 2, 7])) == (7, True, 2)


def test_a_key_ends_the_wait() -> None:
    assert looking(iter([Reply.NOTHING, Reply.DONE]), 7, iter([1, 2, 3])) == (2, False, 2)


def test_time_ends_the_wait() -> None:
    nothing = iter([Reply.NOTHING] * 10)
    assert looking(nothing, 7, iter(range(100, 200)), within_s=0.5, period_s=0.25) == (101, False, 2)
