"""An update in the whole charger, cut off at every moment: by a SIGKILL of the station, by the power, by the link. The
slots, the launcher and the updater are the real ones. The CSMS hears one end, and it is true.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chargerd.bench.machine import FIRST_SECURITY_VERSION
from chargerd.bench.maker import OTHER_HARDWARE, Release
from chargerd.ocpp.firmware_update import FINAL
from chargerd.ocpp.jobs import ACTIVATE, MARK_GOOD, STAGE
from firmware.slots import Name, State
from tests.sim.firmware import FIRMWARE_URL, Bay
from tests.sim.world import Given, World

MOMENTS = [0.15 * number for number in range(24)]
"""From the request to the restart of the machine is about three seconds."""


@pytest.fixture
def world() -> Iterator[World]:
    bay = Bay()
    found = World(1, given=Given(bay=bay))
    yield found
    found.close()
    bay.close()


def bay_of(world: World) -> Bay:
    assert world.given.bay is not None
    return world.given.bay


def asked(world: World, release: Release | None = None, **more: Any) -> Release:
    """UpdateFirmware arrives at a station that is online."""
    world.run(5.0)
    bay = bay_of(world)
    release = release or bay.machine.maker.release("2.0.0", FIRST_SECURITY_VERSION)
    bay.files.offers["/f"] = release.file
    firmware = {
        "location": f"{FIRMWARE_URL}/f",
        "retrieveDateTime": (world.clock.now().utc - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "signingCertificate": release.certificate_pem,
        "signature": release.signature,
    } | more
    world.csms.call("UpdateFirmware", {"requestId": 7, "firmware": firmware}, world.clock.monotonic())
    return release


def goes_on(world: World, seconds: float = 60.0) -> None:
    """As long as it takes, with everything started again as systemd and the mains do."""
    for _ in range(int(seconds / 0.5)):
        world.run(0.5)
        if not (world.station_alive and world.control_alive):
            world.revive()


def told(world: World) -> list[str]:
    """What the CSMS was told of request 7, a message that was sent again counted once."""
    found: list[str] = []
    for frame in map(json.loads, world.messages_out):
        if frame[0] == 2 and frame[2] == "FirmwareStatusNotification":
            assert frame[3]["requestId"] == 7
            if found[-1:] != [frame[3]["status"]]:
                found.append(frame[3]["status"])
    return found


def check_end(world: World, release: Release) -> None:
    statuses, bay = told(world), bay_of(world)
    ends = [status for status in statuses if status in FINAL]
    assert ends == statuses[-1:], statuses
    runs_new = bay.version == "2.0.0"
    assert (ends == ["Installed"]) == runs_new, (statuses, bay.version)
    if runs_new:
        assert bay.machine.place().record().slot(Name.B).state is State.GOOD
    assert all(seen == release.file.read_bytes() for seen in bay.stage_sees)
    assert bay.machine.start().version == bay.version


def test_an_update_that_nothing_disturbs_is_installed(world: World) -> None:
    release = asked(world)
    goes_on(world, 20.0)
    assert told(world) == [
        "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"
    ]  # fmt: skip
    check_end(world, release)


@pytest.mark.parametrize("moment_s", MOMENTS)
def test_a_power_cut_at_any_moment_leaves_a_slot_that_runs_and_one_true_end(world: World, moment_s: float) -> None:
    release = asked(world)
    world.run(moment_s)
    world.power_cut()
    goes_on(world)
    if told(world):
        check_end(world, release)


@pytest.mark.parametrize("moment_s", MOMENTS)
def test_a_station_that_is_killed_at_any_moment_tells_one_true_end(world: World, moment_s: float) -> None:
    release = asked(world)
    world.run(moment_s)
    if world.station_alive:
        world.kill_station()
    goes_on(world)
    if told(world):
        check_end(world, release)


@pytest.mark.parametrize("kind", [STAGE, ACTIVATE, MARK_GOOD])
@pytest.mark.parametrize("machine", [False, True], ids=["process", "machine"])
def test_what_the_updater_did_while_nobody_listened_is_found_out(world: World, kind: str, machine: bool) -> None:
    release, bay = asked(world), bay_of(world)
    for _ in range(200):
        world.run(0.1)
        if not (world.station_alive and world.control_alive):
            world.revive()
        if bay.is_at(kind):
            break
    else:
        raise AssertionError(f"{kind} did not come")
    bay.finish(kind)
    if machine:
        world.power_cut()
    else:
        world.kill_station()
    goes_on(world)
    check_end(world, release)
    assert bay.version == "2.0.0"


def test_a_lost_answer_to_the_activation_costs_nothing(world: World) -> None:
    release = asked(world)
    bay_of(world).lost_answers.add(ACTIVATE)
    goes_on(world, 20.0)
    check_end(world, release)
    assert told(world)[-1] == "Installed"


@pytest.mark.parametrize("moment_s", MOMENTS[4::4])
def test_a_link_that_breaks_costs_no_status(world: World, moment_s: float) -> None:
    release = asked(world)
    world.run(moment_s)
    world.link_lost()
    goes_on(world)
    check_end(world, release)
    assert told(world)[-1] == "Installed"


def test_a_new_version_that_does_not_get_well_gives_way_to_the_old_one(world: World) -> None:
    release, bay = asked(world), bay_of(world)
    for _ in range(400):
        world.run(0.5)
        if not world.station_alive:
            world.revive()
        if bay.version == "2.0.0" and world.control_alive:
            world.kill_control()  # the new version's other half dies at once, each time
        if bay.version == "1.0.0" and not world.control_alive:
            world.revive()
        if told(world)[-1:] == ["InstallationFailed"]:
            break
    goes_on(world, 10.0)
    check_end(world, release)
    assert (told(world)[-1], bay.version) == ("InstallationFailed", "1.0.0")
    assert bay.machine.place().record().slot(Name.B).state is State.BAD


@pytest.mark.parametrize("hardware, security_version", [(OTHER_HARDWARE, 2), ("rev-a", 1)], ids=["hardware", "older"])
def test_a_signed_file_that_is_not_for_this_machine_reaches_no_slot(
    world: World, hardware: str, security_version: int
) -> None:
    release = bay_of(world).machine.maker.release("2.0.0", security_version, hardware=hardware)
    asked(world, release)
    goes_on(world, 20.0)
    assert told(world)[-1] == "InstallVerificationFailed"
    assert bay_of(world).stage_sees == []
