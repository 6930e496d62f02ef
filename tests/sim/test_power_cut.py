"""The mains fail, or a process is killed, after every step of a session: no transaction is forgotten, none is told
twice, and the bill is what the meter says.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sim.invariants import Watch, at_the_end, transactions
from tests.sim.world import World

CARD = "04A1B2C3"
STEP_S = 0.5
REST_S = 30.0
TICK_S = 0.2

Step = Callable[[World], None]


def online(world: World) -> None:
    world.link_allowed = True


def offline(world: World) -> None:
    world.link_allowed = False
    world.link_lost()


def act(name: str, *arguments: object) -> Step:
    def step(world: World) -> None:
        world.do(name, lambda: getattr(world.plant.evses[0], name)(*arguments))

    return step


def wait(seconds: float) -> Step:
    return lambda world: world.run(seconds)


SESSION: tuple[Step, ...] = (
    act("plug_in"),
    act("present_token", CARD),
    wait(0.3),
    act("ev_ready"),
    wait(3.0),
    wait(12.0),
    offline,
    wait(12.0),
    act("ev_pause"),
    wait(3.0),
    act("ev_resume"),
    wait(12.0),
    online,
    wait(0.1),
    wait(10.0),
    act("present_token", CARD),
    wait(0.2),
    wait(7.0),
    act("plug_out"),
    wait(1.0),
)
"""A charge with an outage of the network in it; everybody then goes home."""

STOPPED = 15
"""From this step on the driver has ended it, and only energy or the vehicle keep it open."""

POINTS = (("PowerPathClosed", "EVConnected,Authorized"), ("EVConnected", "EVConnected"), ("Authorized", "Authorized"))


def cut_everything(world: World) -> str:
    world.kill_station()
    world.kill_control()
    return "PowerLoss"


def kill_station(world: World) -> str:
    world.kill_station()
    return ""


def kill_control(world: World) -> str:
    world.kill_control()
    return ""


CUTS = [
    *((cut_everything, start, stop) for start, stop in POINTS),
    (kill_station, *POINTS[0]),
    (kill_control, *POINTS[0]),
]


@pytest.mark.parametrize("cut, start, stop", CUTS)
@pytest.mark.parametrize("after", range(len(SESSION)))
def test_no_transaction_is_forgotten_whenever_the_power_goes(
    after: int, cut: Callable[[World], str], start: str, stop: str
) -> None:
    points = {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop}
    world = World(after, overrides=points, tick_s=TICK_S)
    watch = Watch(world)
    world.run(10.0, watch.look)
    for step in SESSION[: after + 1]:
        step(world)
        world.run(STEP_S, watch.look)
    was_open = world.station.transactions.running(1)
    reason = cut(world)
    world.run(2.0, watch.look)
    world.revive()
    online(world)
    world.run(REST_S, watch.look)
    if was_open is not None and reason:
        (ended,) = [each for each in told(world, was_open.transaction_id) if each["eventType"] == "Ended"]
        assert ended["transactionInfo"]["stoppedReason"] == ("Local" if after >= STOPPED else reason)
        assert not world.station.ctx.orders.is_permitted(1)
    elif was_open is not None and was_open.authorized:
        assert [each["eventType"] for each in told(world, was_open.transaction_id)].count("Ended") == 0
    go_home(world)
    world.run(REST_S, watch.look)
    at_the_end(world)
    world.close()


def told(world: World, transaction_id: str) -> list[dict[str, Any]]:
    return transactions(world.csms.told)[transaction_id]


def go_home(world: World) -> None:
    """The driver ends what goes on and leaves."""
    if world.station.transactions.running(1) is not None and world.station.ctx.orders.is_permitted(1):
        act("present_token", CARD)(world)
        world.run(8.0)
    world.do("plug_out", lambda: world.plant.evses[0].plug_out(force=True))
