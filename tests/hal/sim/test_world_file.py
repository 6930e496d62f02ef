"""A world that outlives its process: what is kept, what is open afterwards, and what is refused."""

import json
import socket
from pathlib import Path

import pytest

from hal.sim.desk import Desk
from hal.sim.pictures import EvsePlantState
from hal.sim.plant import LAST_LEASE_S
from hal.sim.world_file import SUFFIX, WorldFile
from hal.types import DeviceMissing, EvseFacts
from tests.hal.plants import World, charging


def kept(tmp_path: Path) -> Path:
    """The path of a desk whose world is to be kept."""
    desk = tmp_path / "desk"
    (tmp_path / f"desk{SUFFIX}").touch()
    return desk


def restarted(world: World, desk: Path) -> World:
    """Another process on the same desk."""
    WorldFile(world.plant, desk).save()
    after = World()
    WorldFile(after.plant, desk).restore()
    return after


def picture(world: World) -> EvsePlantState:
    return world.plant.state().evses[0]


def test_a_charging_vehicle_is_there_again_with_open_contacts_and_goes_on_when_it_is_offered_current(
    tmp_path: Path,
) -> None:
    world = charging(quirks=("slow_to_follow",), appetite_amps=20.0)
    world.evse.drive_lock(True, world.mono)
    world.wait(1.0)
    world.relays.hold(True, 1.0)
    after = restarted(world, kept(tmp_path))
    state = picture(after)
    assert (state.plugged, state.ready, state.s2_closed, state.locked) == (True, True, True, True)
    assert (state.appetite_amps, state.vehicle_phases, state.quirks) == (20.0, 3, ("slow_to_follow",))
    assert (state.contacts_closed, state.vehicle_amps) == (False, 0.0)
    assert state.cable_ohms == 220
    after.charge(60)
    assert after.amps() == (20.0, 20.0, 20.0)


def test_a_vehicle_that_was_woken_is_awake_and_one_that_was_upset_stays_so(tmp_path: Path) -> None:
    world = charging(quirks=("sleeps", "upset_by_switching"))
    assert world.evse.vehicle is not None
    world.evse.vehicle.asleep, world.evse.vehicle.upset = False, True
    state = picture(restarted(world, kept(tmp_path)))
    assert (state.asleep, state.upset) == (False, True)


def test_the_register_counts_what_flowed_until_the_lease_lapsed_and_never_runs_backwards(tmp_path: Path) -> None:
    world = charging()
    desk = kept(tmp_path)
    WorldFile(world.plant, desk).save()
    saved_wh = picture(world).energy_wh
    world.wait(LAST_LEASE_S / 2)
    last_read_wh = world.meter.read().energy_wh
    after = World()
    WorldFile(after.plant, desk).restore()
    assert saved_wh < last_read_wh <= picture(after).energy_wh <= saved_wh + 32 * 690 * LAST_LEASE_S / 3600


def test_faults_stand_over_the_restart_and_can_be_cleared(tmp_path: Path) -> None:
    world = World()
    world.evse.plug_in(20)
    for name, value in (("weld_relay", None), ("cable_resistor", 1000.0), ("freeze_meter", None), ("glitch", 500.0)):
        world.evse.fault(name, value)
    after = restarted(world, kept(tmp_path))
    assert picture(after).faults == {"weld_relay": 0.0, "cable_resistor": 1000.0, "freeze_meter": 0.0}
    assert after.closed() is True
    for name in ("weld_relay", "cable_resistor", "freeze_meter"):
        after.evse.clear_fault(name)
    assert after.closed() is False
    assert after.evse.cable_ohms() == 680


def test_an_unplugged_vehicle_stays_away(tmp_path: Path) -> None:
    after = restarted(World(), kept(tmp_path))
    assert picture(after).plugged is False
    after.evse.plug_in()


def test_without_the_file_nothing_is_kept_and_an_empty_one_is_a_world_that_has_not_begun(tmp_path: Path) -> None:
    world = World()
    WorldFile(world.plant, tmp_path / "desk").save()
    assert list(tmp_path.iterdir()) == []
    WorldFile(world.plant, kept(tmp_path)).restore()
    assert picture(world).plugged is False


def test_an_unchanged_world_is_not_written_again_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "state" / "plant"
    target.parent.mkdir()
    target.touch()
    (tmp_path / f"desk{SUFFIX}").symlink_to(target)
    file = WorldFile(World().plant, tmp_path / "desk")
    file.save()
    assert json.loads(target.read_bytes())["evses"][0]["plugged"] is False
    assert (tmp_path / f"desk{SUFFIX}").is_symlink()
    target.write_bytes(b"mark")
    file.save()
    assert target.read_bytes() == b"mark"


@pytest.mark.parametrize("damage", ["[]", "{", '{"at_mono": 1, "evses": []}', "\udcff"])
def test_a_file_that_does_not_fit_is_named_with_the_remedy(tmp_path: Path, damage: str) -> None:
    desk = kept(tmp_path)
    (tmp_path / f"desk{SUFFIX}").write_bytes(damage.encode("utf-8", "surrogateescape"))
    with pytest.raises(DeviceMissing, match=r"desk\.world .*delete the file"):
        WorldFile(World().plant, desk).restore()


def test_a_world_of_another_board_is_refused(tmp_path: Path) -> None:
    desk = kept(tmp_path)
    facts = EvseFacts(max_amps=32, phases=3)
    WorldFile(World(facts, facts).plant, desk).save()
    with pytest.raises(DeviceMissing, match="a world of 2 EVSE, this board has EVSE 1"):
        WorldFile(World().plant, desk).restore()


def test_a_desk_keeps_what_it_was_told_before_it_answers(tmp_path: Path) -> None:
    path = kept(tmp_path)
    desk = Desk(World().plant, path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
            client.sendall(b'{"verb": "plug_in", "evse": 1}\n')
            assert b"true" in client.recv(1000)
            after = World()
            WorldFile(after.plant, path).restore()
            assert picture(after).plugged is True
    finally:
        desk.close()
