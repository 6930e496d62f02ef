"""What measures and reports, under the eyes of a technician, on the plant."""

import msgspec
import pytest

from chargerd.ctl.bring_up_acts import Result
from chargerd.ctl.bring_up_sensors import (
    TRIES,
    external_limit,
    inputs,
    meter,
    plug_thermometer,
    proximity,
    residual,
    thermometer,
)
from chargerd.ctl.terminal import Reply
from hal.sim.devices import SimMeter, SimResidual
from hal.types import DeviceSilent, InputName, LineQuality, MeterSample, ResidualReading
from tests.chargerd.ctl.walking import FULL, Person, full_world, try_step, values
from tests.hal.plants import World

# ---- meter ----


def test_a_meter_that_works_is_judged_by_its_own_display() -> None:
    world = full_world()
    person = Person(world)
    outcome = try_step(world, meter, person)
    assert outcome.result is Result.OK
    assert person.asked == ["Does the meter itself show 1000.00 kWh?"]
    assert values(outcome) == {
        "good readings": "8 of 8",
        "slowest": 0.0,
        "volts": "230.0 / 230.0 / 230.0",
        "amps": "0.00 / 0.00 / 0.00",
        "power": 0.0,
        "register": "1000.00",
        "frequency": 50.0,
    }


class OnALine(SimMeter):
    def quality(self) -> LineQuality:
        return LineQuality(requests=9, answers=8, timeouts=1)


def test_how_a_line_fares_is_told() -> None:
    world = full_world()
    outcome = try_step(world, meter, meter=OnALine(world.evse, world.slot("meter")))
    assert values(outcome)["line"] == "9 requests, 8 answers, 1 timeouts"


@pytest.mark.parametrize("answer, result", [(Reply.NO, Result.FAILED), (Reply.SKIP, Result.SKIPPED)])
def test_another_register_than_on_the_display_is_no_success(answer: Reply, result: Result) -> None:
    world = full_world()
    assert try_step(world, meter, Person(world, otherwise=answer)).result is result


@pytest.mark.parametrize(
    "fault, value, complaint",
    [
        ("stall_meter", None, "no reading at all: evse[0].meter: no answer"),
        ("grid_loss", 2, "L2 has 0 V, expected 196 to 264 V: is the phase connected?"),
        ("grid_volts", 300, "L1 has 300 V"),
    ],
)
def test_what_is_wrong_with_a_meter_is_named(fault: str, value: float | None, complaint: str) -> None:
    world = full_world()
    world.evse.fault(fault, value)
    outcome = try_step(world, meter)
    assert outcome.result is Result.FAILED
    assert complaint in outcome.note


class Odd(SimMeter):
    """A meter with one thing wrong; `world` is the one it lives in."""

    def __init__(self, world: World) -> None:
        super().__init__(world.evse, world.slot("meter"))
        self.world = world
        self.reads = 0

    def read(self) -> MeterSample:
        self.reads += 1
        return super().read()


class Flowing(Odd):
    def read(self) -> MeterSample:
        return msgspec.structs.replace(super().read(), amps=(0.0, 3.0, 0.0))


class Backwards(Odd):
    def read(self) -> MeterSample:
        return msgspec.structs.replace(super().read(), energy_wh=1000.0 - self.reads)


class Slow(Odd):
    def read(self) -> MeterSample:
        self.world.wait(2.5)
        return super().read()


class SilentAtTimes(Odd):
    def read(self) -> MeterSample:
        sample = super().read()
        if self.reads % 2:
            raise DeviceSilent("evse[0].meter", "no answer")
        return sample


@pytest.mark.parametrize(
    "odd, complaint",
    [
        (Flowing, "L2 has 3.0 A although the contactor is open"),
        (Backwards, "its register ran backwards"),
        (Slow, "a reading takes 2.5 s, 2 s are allowed"),
        (SilentAtTimes, "evse[0].meter: no answer"),
    ],
)
def test_a_meter_that_cannot_be_right_fails(odd: type[Odd], complaint: str) -> None:
    world = full_world()
    outcome = try_step(world, meter, meter=odd(world))
    assert outcome.result is Result.FAILED
    assert complaint in outcome.note


# ---- residual current monitor ----


def test_a_monitor_that_trips_at_its_own_test_passes() -> None:
    outcome = try_step(full_world(), residual)
    assert (outcome.result, list(values(outcome))) == (Result.OK, ["self-test took"])


@pytest.mark.parametrize(
    "fault, complaint",
    [
        ("trip_rcd", "it has tripped (AC) before anything was tried"),
        ("trip_rcd_dc", "it has tripped (DC) before anything was tried"),
        ("rcd_test_fails", "it did not trip at its own test"),
    ],
)
def test_a_monitor_that_does_not_do_its_work_fails(fault: str, complaint: str) -> None:
    world = full_world()
    world.evse.fault(fault)
    outcome = try_step(world, residual)
    assert outcome.result is Result.FAILED
    assert complaint in outcome.note


class Sticking(SimResidual):
    """Stays tripped after its test."""

    tested = False

    def read(self) -> ResidualReading:
        return msgspec.structs.replace(super().read(), tripped_dc=self.tested)

    def self_test(self) -> bool:
        self.tested = True
        return super().self_test()


def test_a_monitor_that_does_not_let_go_after_its_test_fails() -> None:
    world = full_world()
    outcome = try_step(world, residual, residual=Sticking(world.evse, world.slot("residual")))
    assert outcome.note == "still tripped 2 s after its test"


# ---- input lines ----

LINES = {
    "the emergency stop": "emergency_stop",
    "the enclosure": "open_enclosure",
    "mains away": "power_fail",
    "voltage on the": "output_voltage",
    "loop through": "cut_cable",
    "the button": "press_button",
}


def hands(world: World) -> Person:
    """A person who does to each line what they are told."""
    does = {
        f"Now {do}": (lambda fault=fault: world.evse.fault(fault))
        for (do, _), fault in zip(TRIES.values(), LINES.values(), strict=True)
    }

    def undo() -> None:
        for fault in LINES.values():
            world.evse.clear_fault(fault)

    return Person(world, hands={**does, **{f"Now {back}": undo for _, back in TRIES.values()}})


def test_every_input_has_a_way_to_try_it() -> None:
    assert set(TRIES) == set(InputName)


def test_lines_that_assert_and_go_quiet_pass() -> None:
    world = full_world()
    outcome = try_step(world, inputs, hands(world))
    assert outcome.result is Result.OK
    assert values(outcome) == {str(name): "ok" for name in InputName}


def test_a_line_that_is_asserted_by_itself_fails() -> None:
    world = full_world()
    world.evse.fault("emergency_stop")
    assert "asserted before anything was tried: emergency_stop" in try_step(world, inputs).note


def test_a_line_that_stays_quiet_fails_after_30_s() -> None:
    world = full_world(msgspec.structs.replace(FULL, inputs=(InputName.BUTTON,)))
    begin = world.mono
    assert try_step(world, inputs).note == "button was not seen to assert"
    assert 30 < world.mono - begin < 32


def test_a_line_that_does_not_go_quiet_fails() -> None:
    world = full_world(msgspec.structs.replace(FULL, inputs=(InputName.BUTTON,)))
    person = Person(world, hands={"Now press the button": lambda: world.evse.fault("press_button")})
    assert try_step(world, inputs, person).note == "button was not seen to go quiet"


def test_lines_that_nobody_can_try_are_left_out_one_by_one() -> None:
    world = full_world(msgspec.structs.replace(FULL, inputs=(InputName.BUTTON, InputName.POWER_FAIL)))
    person = Person(
        world,
        {"take the mains away": Reply.SKIP},
        {
            "Now press the button": lambda: world.evse.fault("press_button"),
            "Now release it": lambda: world.evse.clear_fault("press_button"),
        },
    )
    outcome = try_step(world, inputs, person)
    assert (outcome.result, values(outcome)) == (Result.OK, {"button": "ok", "power_fail": "skipped"})
    assert try_step(world, inputs, Person(world, otherwise=Reply.SKIP)).result is Result.SKIPPED


# ---- temperatures ----


@pytest.mark.parametrize("step", [thermometer, plug_thermometer])
def test_a_temperature_is_judged_by_a_person(step: object) -> None:
    world = full_world()
    person = Person(world)
    outcome = try_step(world, step, person)  # type: ignore[arg-type]
    assert (outcome.result, values(outcome)) == (Result.OK, {"temperature": 22.0})
    assert person.asked == ["It reads 22.0 °C. Can that be?"]


@pytest.mark.parametrize("step, fault", [(thermometer, "over_temperature"), (plug_thermometer, "hot_plug")])
def test_a_temperature_that_no_bench_has_fails_without_a_question(step: object, fault: str) -> None:
    world = full_world()
    world.evse.fault(fault)
    person = Person(world)
    assert try_step(world, step, person).note == "expected -40 to 85 °C on a bench"  # type: ignore[arg-type]
    assert person.asked == []


# ---- proximity ----


def test_a_cable_is_recognised_and_taken_out_again() -> None:
    world = full_world()
    person = Person(world, hands={"Plug it in": lambda: world.evse.plug_in(20), "Take it out": world.evse.plug_out})
    outcome = try_step(world, proximity, person)
    assert (outcome.result, values(outcome)) == (Result.OK, {"empty socket": "open", "with a cable": "680 ohm"})
    assert person.asked[-1] == "Does the cable carry 20 A?"


def test_a_socket_that_is_not_empty_at_first_fails() -> None:
    world = full_world()
    world.evse.plug_in(20)
    assert "expected an open contact" in try_step(world, proximity).note


def test_a_cable_of_no_class_is_none() -> None:
    world = full_world()
    person = Person(world, hands={"Plug it in": lambda: world.evse.fault("cable_resistor", 5000)})
    assert try_step(world, proximity, person).note == "no cable was seen: no resistor of a known class"


def test_without_a_cable_the_empty_socket_is_all_that_is_known() -> None:
    world = full_world()
    outcome = try_step(world, proximity, Person(world, otherwise=Reply.SKIP))
    assert (outcome.result, values(outcome)) == (Result.SKIPPED, {"empty socket": "open"})


# ---- the outside limit ----


def test_a_limit_that_changes_when_it_is_told_passes() -> None:
    world = full_world()
    person = Person(world, hands={"Can you change it?": lambda: world.evse.fault("external_limit", 10)})
    outcome = try_step(world, external_limit, person)
    assert (outcome.result, values(outcome)) == (Result.OK, {"now": "no limit", "then": "10 A"})


def test_a_limit_that_does_not_change_fails() -> None:
    outcome = try_step(full_world(), external_limit)
    assert (outcome.result, outcome.note) == (Result.FAILED, "it did not change")


def test_a_limit_that_nobody_can_change_is_left_out() -> None:
    world = full_world()
    assert try_step(world, external_limit, Person(world, otherwise=Reply.NO)).result is Result.SKIPPED


def test_a_device_that_fails_is_told_in_its_own_words() -> None:
    world = full_world()
    world.evse.fault("stall_external")
    outcome = try_step(world, external_limit)
    assert (outcome.result, outcome.note) == (Result.FAILED, "evse[0].external_limit: no answer")
