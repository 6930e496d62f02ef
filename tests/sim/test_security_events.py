"""Security events from what really happens around the charger, as far as the CSMS hears of them."""

import json

import pytest

from tests.sim.world import World


@pytest.fixture
def world() -> World:
    world = World(1)
    world.run(5.0)
    return world


def told(world: World) -> list[str]:
    frames = map(json.loads, world.messages_out)
    return [frame[3]["type"] for frame in frames if frame[0] == 2 and frame[2] == "SecurityEventNotification"]


def test_whoever_opens_the_enclosure_is_told_of_and_once_for_both_evses(world: World) -> None:
    for evse in world.plant.evses:
        evse.fault("open_enclosure")
    world.run(5.0)
    assert told(world) == ["StartupOfTheDevice", "TamperDetectionActivated"]


def test_an_enclosure_that_is_opened_offline_is_told_afterwards_in_order(world: World) -> None:
    world.link_allowed = False
    world.link_lost()
    world.plant.evses[0].fault("open_enclosure")
    world.run(2.0)
    world.set_wall_clock(3600.0)
    world.run(2.0)
    world.kill_station()
    world.run(1.0)
    world.revive()
    world.link_allowed = True
    world.run(20.0)
    assert told(world)[:3] == ["StartupOfTheDevice", "TamperDetectionActivated", "SettingSystemTime"]


def test_a_switch_that_flaps_for_20_minutes_makes_few_events(world: World) -> None:
    for _ in range(100):
        world.plant.evses[0].fault("open_enclosure")
        world.run(6.0)
        world.plant.evses[0].clear_fault("open_enclosure")
        world.run(6.0)
    assert 1 < told(world).count("TamperDetectionActivated") <= 4
