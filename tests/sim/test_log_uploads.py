"""An upload that a SIGKILL or an outage cuts off at any moment: the CSMS hears of its end once, and of a true one."""

import json

import pytest

from tests.sim.uploads import FILE_URL
from tests.sim.world import World

MOMENTS = [0.1 * number for number in range(9)]


def asked_for_a_log() -> World:
    world = World(1)
    world.run(5.0)
    log = {"remoteLocation": f"{FILE_URL}/logs/"}
    world.csms.call("GetLog", {"logType": "SecurityLog", "requestId": 7, "log": log}, world.clock.monotonic())
    return world


def told(world: World) -> list[str]:
    """What the CSMS was told of request 7, a message that was sent again counted once."""
    frames = [json.loads(text) for text in world.messages_out]
    found: list[str] = []
    for frame in frames:
        if frame[0] == 2 and frame[2] == "LogStatusNotification":
            assert frame[3]["requestId"] == 7
            if found[-1:] != [frame[3]["status"]]:
                found.append(frame[3]["status"])
    return found


def accepted(world: World) -> bool:
    return any(answer[2].get("status") == "Accepted" for _, _, answer in world.csms.answers if answer[0] == 3)


@pytest.mark.parametrize("moment_s", MOMENTS)
def test_a_station_that_is_killed_tells_one_end(moment_s: float) -> None:
    world = asked_for_a_log()
    world.run(moment_s)
    world.kill_station()
    world.run(1.0)
    world.revive()
    world.run(20.0)
    ends = told(world)
    if not accepted(world):
        assert ends in ([], ["Uploading", "UploadFailure"])
        return
    assert ends in (["Uploading", "Uploaded"], ["Uploading", "UploadFailure"])
    assert (ends[-1] == "Uploaded") <= bool(world.uploads.files.arrived)


@pytest.mark.parametrize("moment_s", MOMENTS)
def test_a_link_that_breaks_costs_no_message(moment_s: float) -> None:
    world = asked_for_a_log()
    world.run(moment_s)
    world.link_lost()
    world.run(20.0)
    assert told(world) == (["Uploading", "Uploaded"] if world.uploads.files.arrived else [])
