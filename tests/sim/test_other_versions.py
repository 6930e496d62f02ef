"""Whatever another version has written into the store, the station starts and connects."""

import pytest

from tests.sim.test_power_cut import SESSION
from tests.sim.world import World

STRANGE = ({"nonsense": True}, ["a", "list"], "words", -1, None)
"""JSON of every kind that no value of ours has."""

UNTIL_STEP = 8
"""By then a transaction is open and the CSMS is out of reach, so as much as possible is on disk."""

ELSEWHERE = (
    ("auth_cache", "ab"),
    ("availability", "1"),
    ("charging_profiles", "7"),
    ("held_plugs", "1"),
    ("logs", "under_way"),
    ("network", "2"),
    ("network_state", "last_good_slot"),
    ("power_paths", "a transaction"),
    ("provisioning", "boot_reason"),
    ("reservation_updates", "3"),
    ("reservations", "3"),
    ("resets", "0"),
    ("security", "held_back"),
    ("signed_sessions", "a transaction"),
    ("unsigned_ends", "a transaction"),
    ("user_limits", "1"),
    ("variables", "TxCtrlr.EVConnectionTimeOut"),
)
"""What this session does not write, and others do."""


def offline_in_mid_charge() -> World:
    world = World(1)
    world.run(5.0)
    for step in SESSION[:UNTIL_STEP]:
        step(world)
    world.kill_station()
    return world


def places() -> list[tuple[str, str]]:
    found = offline_in_mid_charge().store._all("SELECT namespace, key FROM value ORDER BY namespace, key")
    return [(str(namespace), str(key)) for namespace, key in found]


@pytest.mark.parametrize("namespace, key", sorted({*places(), *ELSEWHERE}))
def test_a_value_of_another_version_does_not_keep_the_station_from_its_work(namespace: str, key: str) -> None:
    for strange in STRANGE:
        world = offline_in_mid_charge()
        world.store.put(namespace, key, strange)
        world.link_allowed = True
        world.revive()
        world.run(10.0)
        assert world.link == "open", strange
        assert world.station.ctx.online, strange
