"""A person at a board on virtual time: answers questions, does with their hands what they are told to do."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from chargerd.ctl.bring_up import STEPS, BringUp
from chargerd.ctl.bring_up_acts import Outcome, Place, Script, Step
from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Ended, Reply
from hal.board import Board, EvseDevices
from hal.sim import devices
from hal.types import BoardFacts, EvseFacts, InputName
from tests.hal.plants import World

FULL = EvseFacts(
    max_amps=32,
    phases=3,
    has_proximity=True,
    has_lock=True,
    has_residual=True,
    has_thermometer=True,
    has_plug_thermometer=True,
    has_phase_switch=True,
    has_external_limit=True,
    inputs=tuple(InputName),
    can_disconnect=True,
)
"""An EVSE with everything."""

Hands = Mapping[str, Callable[[], object]]


class Person:
    """The terminal of somebody. `answers`: part of a question -> reply (None: end it), all others are `otherwise`.

    `hands`: part of a text -> what is done when it is said.
    """

    def __init__(
        self,
        world: World,
        answers: Mapping[str, Reply | None] | None = None,
        hands: Hands | None = None,
        otherwise: Reply = Reply.YES,
    ) -> None:
        self.heard: list[str] = []
        self.asked: list[str] = []
        self._world = world
        self._answers = answers or {}
        self._hands = hands or {}
        self._otherwise = otherwise

    def say(self, text: str, ink: Ink = Ink.PLAIN) -> None:
        self.heard.append(text)
        self._act(text)

    def show(self, text: str) -> None:
        pass

    def ask(self, question: str, meanwhile: Callable[[], None]) -> Reply:
        self.asked.append(question)
        meanwhile()
        self._world.wait(0.5)
        self._act(question)
        for part, reply in self._answers.items():
            if part in question:
                if reply is None:
                    raise Ended("ended by q")
                return reply
        return self._otherwise

    def pressed(self, for_s: float) -> bool:
        self._world.wait(for_s)
        return False

    def _act(self, text: str) -> None:
        for part, act in self._hands.items():
            if part in text:
                act()


def full_world(facts: EvseFacts = FULL, **settings: Any) -> World:
    """A plant for an EVSE with everything."""
    return World(facts, **settings)


def all_devices(world: World, **others: Any) -> EvseDevices:
    """Every window onto the plant, with `others` in their places."""
    windows = {
        "pilot": devices.SimPilot,
        "relays": devices.SimRelays,
        "meter": devices.SimMeter,
        "proximity": devices.SimProximity,
        "lock": devices.SimLock,
        "residual": devices.SimResidual,
        "thermometer": devices.SimThermometer,
        "plug_thermometer": devices.SimPlugThermometer,
        "phase_switch": devices.SimPhaseSwitch,
        "inputs": devices.SimInputs,
        "external_limit": devices.SimLimitSource,
        "indicator": devices.SimIndicator,
        "display": devices.SimDisplay,
        "reader": devices.SimReader,
    }
    return EvseDevices(**{role: window(world.evse, world.slot(role)) for role, window in windows.items()} | others)


def board_of(world: World, fitted: EvseDevices) -> Board:
    """An open board with one EVSE."""
    facts = BoardFacts(vendor="V", model="M", serial="S", evses=(world.evse.facts,), simulated=True)
    return Board(facts, (fitted,), world.plant, contextlib.ExitStack())


def walk_of(
    world: World,
    person: Person,
    fitted: EvseDevices | None = None,
    steps: Mapping[str, tuple[Step, ...]] = STEPS,
) -> BringUp:
    """A walk on the plant's own time."""
    board = board_of(world, fitted or all_devices(world))
    return BringUp(board, person, monotonic=world.monotonic, wait=world.wait, hang=world.wait, steps=steps)


def try_step(
    world: World,
    step: Callable[[Place], Script],
    person: Person | None = None,
    **others: Any,
) -> Outcome:
    """What comes of one step, played as a walk does."""
    fitted = all_devices(world, **others)
    place = Place(1, world.evse.facts, fitted, world.monotonic)
    return walk_of(world, person or Person(world), fitted).play(step(place))


def values(outcome: Outcome) -> dict[str, float | str | bool]:
    """What was measured, by name."""
    return {value.name: value.value for value in outcome.values}
