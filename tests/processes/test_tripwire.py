"""Nothing that a CSMS can say becomes a program, a file name or a listener (bug classes 1, 2 and 17).

Every text of every message holds what a shell or a path would choke on; both real processes run over a tripwire.
"""

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chargerd.ocpp.messages import INCOMING
from tests.chargerd.ocpp.messages import oracle
from tests.processes.charge import Charger, charger
from tests.processes.tripwire import Touch, Wire, laid, nasty

ROUNDS = 3
ENDS_THE_STORY = ("Reset",)
"""These come last: what follows them would not be heard."""


def hostile_calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request, whole and bare, with a nasty text in the place of each text."""
    number = 0
    for round_number in range(ROUNDS):
        for call in sorted(INCOMING, key=lambda call: call.action in ENDS_THE_STORY):
            if call.action in ENDS_THE_STORY and round_number + 1 < ROUNDS:
                continue
            for make in (oracle.maximal, oracle.minimal):
                payload = copy.deepcopy(make(f"{call.action}Request"))
                for place in oracle.places(f"{call.action}Request", payload):
                    free = place.schema.get("type") == "string" and not {"enum", "format"} & place.schema.keys()
                    if free:
                        number += 1
                        place.holder[place.key] = nasty(place.schema.get("maxLength", 100), number)
                yield call.action, payload


async def send(station: Charger, number: int, action: str, payload: dict[str, Any]) -> None:
    """As a frame of its own: the embedded CSMS would refuse to say such things."""
    assert station.rig.csms is not None
    async with asyncio.timeout(20):
        while station.rig.csms._station is None:  # noqa: ASYNC110  it comes back after each refusal
            await asyncio.sleep(0.02)
    await station.rig.csms._station._connection.send(json.dumps([2, f"nasty-{number}", action, payload]))


async def answered(station: Charger, numbers: set[str]) -> None:
    """Wait for one answer to each, whatever it is."""
    seen: set[str] = set()
    after = -1
    async with asyncio.timeout(60):
        while not numbers <= seen:
            frames = (await station.do("frames", after=after))["frames"]
            for frame in frames:
                after = frame["seq"]
                parts: list[Any] = json.loads(frame["text"]) if frame["direction"] == "out" else [0]
                if parts[0] in {3, 4}:
                    seen.add(parts[1])
            await asyncio.sleep(0.01)


def allowed(touch: Touch, folders: tuple[str, ...]) -> bool:
    """Whether all that was touched lies within the run and state directories, or is a pseudo terminal of the plant."""
    return all(
        path.startswith(folders) or path in {"/dev/null", "/dev/ptmx"} or path.startswith("/dev/pts/")
        for path in touch.paths
    )


def test_no_text_of_the_csms_becomes_a_program_a_path_or_a_listener(tmp_path: Path) -> None:
    async def story(wire: Wire) -> tuple[str, ...]:
        state = tmp_path / "state"
        async with charger(state_dir=state) as station:
            await station.charge()
            told: set[str] = set()
            for number, (action, payload) in enumerate(hostile_calls()):
                await send(station, number, action, payload)
                if action not in ENDS_THE_STORY:
                    told.add(f"nasty-{number}")
                if len(told) == 20:
                    await answered(station, told)
                    told.clear()
            await asyncio.sleep(1.0)
            await station.until(lambda status: status["link"]["registration"] == "Accepted")
            assert not station.log.having("Traceback")
            return str(state), str(station.rig.run_dir)

    with laid(tmp_path) as wire:
        folders = asyncio.run(story(wire))
    touches = wire.touches()
    assert {touch.process for touch in touches} >= {"control", "station"}
    assert wire.of("start") == []
    assert [touch for touch in wire.of("planted") if touch.event != "socket.getaddrinfo"] == []
    assert [touch for touch in wire.of("write", "change") if not allowed(touch, folders)] == []


def test_the_wire_itself_notices_what_it_is_for(tmp_path: Path) -> None:
    """A process that does each of it once, named as ours are."""
    act = (
        "import os, socket, subprocess, sys; folder = sys.argv[1]; subprocess.run(['true']); os.system('true');"
        "open(f'{folder}/c4n4' + 'ry'); open(f'{folder}/new', 'w'); socket.socket().bind(('127.0.0.1', 0))"
    )
    (tmp_path / "c4n4ry").touch()
    with laid(tmp_path) as wire:
        subprocess.run([sys.executable, "-c", act, tmp_path, "station"], check=True)
    touches = [(touch.kind, touch.event) for touch in wire.of("start", "planted", "write", "change")]
    assert touches == [
        ("start", "subprocess.Popen"),
        ("start", "os.system"),
        ("planted", "open"),
        ("write", "open"),
        ("change", "socket.bind"),
    ]
    assert not allowed(wire.of("change")[0], (str(tmp_path),))
