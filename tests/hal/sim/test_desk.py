import asyncio
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from chargerd.access import Role
from hal.sim.desk import LONGEST_LINE_BYTES, MOST_CONNECTIONS, VERBS, Desk, obey
from hal.sim.faults import FAULTS
from hal.types import DeviceMissing
from tests.chargerd.callers import ask_as, open_folder
from tests.hal.drivers.ports import descriptors
from tests.hal.plants import World


def ask(world: World, **request: Any) -> dict[str, Any]:
    reply = obey(world.plant, json.dumps(request).encode())
    return {"ok": reply.ok, "error": reply.error}


def ok(world: World, **request: Any) -> None:
    assert ask(world, **request) == {"ok": True, "error": None}


# ---- verbs ----


def test_a_day_at_the_desk() -> None:
    world = World()
    ok(world, verb="plug_in", evse=1, amps=20, phases=1)
    ok(world, verb="ev_draw", evse=1, amps=12)
    ok(world, verb="ev_ready", evse=1)
    ok(world, verb="present_token", evse=1, uid="04a1b2c3", kind="ISO14443")
    world.charge(10)
    assert world.amps() == (12, 0, 0)
    assert world.evse.tokens[0].uid == "04A1B2C3"
    ok(world, verb="ev_pause", evse=1)
    world.charge(2)
    assert world.amps() == (0, 0, 0)
    ok(world, verb="ev_resume", evse=1)
    ok(world, verb="ev_draw", evse=1, amps=6, phases=3)
    world.charge(10)
    assert world.amps() == (6, 6, 6)
    ok(world, verb="fault", evse=1, name="cable_resistor", value=680)
    assert world.evse.cable_ohms() == 680
    ok(world, verb="clear_fault", evse=1, name="cable_resistor")
    ok(world, verb="plug_out", evse=1)
    assert world.plant.state().evses[0].plugged is False


def test_quirks_come_with_the_vehicle_and_force_tears_a_plug_out() -> None:
    world = World()
    ok(world, verb="plug_in", evse=1, quirks=["no_diode", "bounces"])
    assert world.plant.state().evses[0].quirks == ("bounces", "no_diode")
    world.evse.drive_lock(True, world.mono)
    world.wait(1)
    assert "locked" in ask(world, verb="plug_out", evse=1)["error"]
    ok(world, verb="plug_out", evse=1, force=True)


def test_the_plant_is_shown_as_it_is() -> None:
    world = World()
    world.evse.fault("trip_rcd")
    reply = obey(world.plant, b'{"verb": "plant"}')
    assert reply.plant == world.plant.state()
    assert reply.plant is not None
    assert reply.plant.evses[0].faults == {"trip_rcd": 0}


def test_the_faults_are_listed_with_their_text() -> None:
    reply = obey(World().plant, b'{"verb": "faults"}')
    assert reply.faults == {str(name): verb.told for name, verb in FAULTS.items()}


@pytest.mark.parametrize(
    "line, text",
    [
        (b'{"verb": "plugin", "evse": 1}', "unknown verb 'plugin'; verbs: plug_in, plug_out, unplug_ev, ev_ready"),
        (b'{"verb": "plug_in", "evse": 2}', "unknown EVSE 2; this board has EVSE 1"),
        (
            b'{"verb": "plug_in", "evse": "1"}',
            "plug_in: Expected `int`, got `str` - at `$.evse`; keys: evse, amps, phases",
        ),
        (b'{"verb": "plug_in"}', "plug_in: Object missing required field `evse`"),
        (b'{"verb": "plug_in", "evse": 1, "amp": 3}', "plug_in: Object contains unknown field `amp`; keys: evse, amps"),
        (b'{"verb": "fault", "evse": 1, "name": "rust"}', "unknown fault 'rust'; known faults: weld_relay"),
        (
            b'{"verb": "fault", "evse": 1, "name": "grid_loss", "value": 9}',
            "grid_loss: phase must lie from 0 to 3, 9 was",
        ),
        (b'{"verb": "present_token", "evse": 1, "uid": "04", "kind": "X"}', "present_token: Invalid enum value 'X'"),
        (b'{"verb": "plant", "evse": 1}', "keys: none"),
        (b'{"evse": 1}', 'expected {"verb": "...", ...}, one JSON object a line; verbs: plug_in'),
        (b"plug_in 1", "one JSON object a line"),
        (b"[1]", "one JSON object a line"),
        (b'{"verb": 5}', "one JSON object a line"),
        (b'{"verb": "\xff"}', "one JSON object a line"),
        (b"[" * 4000, "one JSON object a line"),
        (b"", "one JSON object a line"),
    ],
)
def test_what_cannot_be_obeyed_is_answered_with_the_choices(line: bytes, text: str) -> None:
    reply = obey(World().plant, line)
    assert reply.ok is False
    assert text in str(reply.error)


# ---- the socket ----


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "desk"
    desk = Desk(World().plant, path)
    yield path
    desk.close()


class Caller:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()

    def say(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def reply(self) -> Any:
        line = self.lines.readline()
        return json.loads(line) if line else None


def test_each_line_gets_one_reply_in_order(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(b'{"verb": "plug_in", "evse": 1}\n\n{"verb": "no"}\n{"verb": "plant"}\n{"verb": "plug')
        assert caller.reply() == {"ok": True}
        assert caller.reply()["ok"] is False
        assert caller.reply()["plant"]["evses"][0]["plugged"] is True
        caller.say(b'_out", "evse": 1}\n')
        assert caller.reply() == {"ok": True}


def test_only_the_owner_may_connect(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_without_end_is_cut_off_and_the_desk_lives_on(path: Path) -> None:
    with Caller(path) as caller:
        caller.say(b"x" * (3 * LONGEST_LINE_BYTES))
        assert caller.reply() == {"ok": False, "error": f"a line may have {LONGEST_LINE_BYTES} bytes"}
        assert hung_up(caller)
    with Caller(path) as other:
        other.say(b'{"verb": "plant"}\n')
        assert other.reply()["ok"] is True


def hung_up(caller: Caller) -> bool:
    try:
        return caller.reply() is None
    except ConnectionResetError:
        return True


def test_connections_are_bounded_and_a_place_is_free_again_when_one_leaves(path: Path) -> None:
    callers = [Caller(path) for _ in range(MOST_CONNECTIONS)]
    for caller in callers:
        caller.say(b'{"verb": "plant"}\n')
        assert caller.reply()["ok"] is True
    with Caller(path) as one_more:
        assert one_more.reply() == {"ok": False, "error": f"the desk serves {MOST_CONNECTIONS} connections at a time"}
        assert hung_up(one_more)
    with callers.pop():
        pass
    callers[0].say(b'{"verb": "plant"}\n')  # the desk sees the empty place before it answers this
    assert callers[0].reply()["ok"] is True
    with Caller(path) as another:
        another.say(b'{"verb": "plant"}\n')
        assert another.reply()["ok"] is True
    for caller in callers:
        with caller:
            pass


def test_closing_hangs_up_and_leaves_nothing(tmp_path: Path) -> None:
    before = descriptors()
    path = tmp_path / "desk"
    for _ in range(2):
        desk = Desk(World().plant, path)
        with Caller(path) as caller:
            caller.say(b'{"verb": "plant"}\n')
            caller.reply()
            desk.close()
            assert hung_up(caller)
        assert not path.exists()
    assert descriptors() == before


def test_a_path_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match=r"desk: cannot make the socket .*/no/desk \(No such file or directory\)"):
        Desk(World().plant, tmp_path / "no" / "desk")
    with pytest.raises(DeviceMissing, match="AF_UNIX path too long"):
        Desk(World().plant, tmp_path / ("x" * 120))


def test_the_verbs_are_those_of_the_plant() -> None:
    assert set(VERBS) == {
        "plug_in", "plug_out", "unplug_ev", "ev_ready", "ev_pause", "ev_resume", "ev_draw", "present_token", "fault",
        "clear_fault", "plant", "faults",
    }  # fmt: skip


def test_the_desk_is_for_the_user_who_runs_the_board() -> None:
    async def story(folder: Path) -> dict[str, Any]:
        desk = Desk(World().plant, folder / "desk")
        (folder / "desk").chmod(0o666)  # not even then
        try:
            return (await ask_as(folder / "desk", Role.NOBODY, {"verb": "plug_in", "evse": 1}))[0]
        finally:
            await asyncio.to_thread(desk.close)

    with open_folder() as folder:
        reply = asyncio.run(story(folder))
    assert reply["ok"] is (os.geteuid() != 0)  # who is not root has no other user to be
