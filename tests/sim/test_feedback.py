"""What the driver sees when a card is read, on a whole charger on virtual time whose CSMS is of no help."""

import json
from datetime import datetime

import pytest

from chargerd.conformance.door import Door
from chargerd.control import IDLE_PERIOD_S
from chargerd.evse.types import ORDERS_LEASE_S
from chargerd.ocpp.effects import OpenLink
from hal.sim.desk import obey
from hal.types import Indication
from tests.sim.world import World

AT_ONCE_S = 0.3
"""A person who sees nothing for longer shows the card again."""

TICK_S = IDLE_PERIOD_S  # nothing is plugged in where a card is shown


class DeafCsms:
    """Takes the station in and answers nothing else; `is_there` False: nobody is at the other end."""

    def __init__(self, is_there: bool) -> None:
        self._is_there = is_there
        self._answers: list[str] = []

    def door(self, _order: OpenLink) -> Door | None:
        return Door() if self._is_there else None

    def connected(self) -> None:
        pass

    def disconnected(self) -> None:
        pass

    def receive(self, text: str, _mono: float, utc: datetime) -> None:
        _call, message_id, action, _payload = json.loads(text)
        if action == "BootNotification":
            accepted = {"currentTime": utc.isoformat(), "interval": 300, "status": "Accepted"}
            self._answers.append(json.dumps([3, message_id, accepted]))

    def due(self, _mono: float) -> list[str]:
        due, self._answers = self._answers, []
        return due


@pytest.mark.parametrize(
    "is_there, seen, line",
    [(True, Indication.PENDING, "One moment"), (False, Indication.REFUSED, "Not accepted")],
    ids=["silent", "away"],
)
@pytest.mark.parametrize("later_s", [0.0, 0.03, 0.05, 0.09])
def test_lamp_and_display_answer_a_card_within_300_ms(
    later_s: float, is_there: bool, seen: Indication, line: str
) -> None:
    world = World(1, tick_s=TICK_S, wire=DeafCsms(is_there))
    try:
        world.run(20.0 + later_s)
        evse = world.plant.evses[0]
        shown_mono = world.clock.monotonic()
        assert obey(world.plant, b'{"verb": "present_token", "evse": 1, "uid": "04A1B2C3", "kind": "ISO14443"}').ok
        while evse.indication is not seen or evse.display[:1] != (line,):
            world.step()
            assert world.clock.monotonic() - shown_mono <= AT_ONCE_S + TICK_S / 2
    finally:
        world.close()


def test_a_display_says_nothing_that_nobody_vouches_for() -> None:
    world = World(1, tick_s=TICK_S, wire=DeafCsms(True))
    try:
        world.run(5.0)
        before = world.plant.evses[0].display
        world.kill_station()
        world.run(ORDERS_LEASE_S + 1.0)
        assert (before, world.plant.evses[0].display) == (("Available",), ())
    finally:
        world.close()
