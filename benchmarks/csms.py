"""A CSMS that costs next to nothing, in a thread of its own: answers, notes what a measurement is about, can flood."""

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

IN_FLIGHT = 8
"""Requests of a flood that wait in the station at any time, so that it never waits for the CSMS."""

PROFILE_EVERY = 50
"""Each so many requests of a flood is a new limit, which is stored, sent to the control process and obeyed there."""

_ACCEPTED = {"idTokenInfo": {"status": "Accepted"}}
_ANSWERS: Mapping[str, Mapping[str, Any]] = {"Authorize": _ACCEPTED}

_VARIABLES = {
    "getVariableData": [
        {"component": {"name": component}, "variable": {"name": variable}}
        for component, variable in (
            ("OCPPCommCtrlr", "HeartbeatInterval"),
            ("SampledDataCtrlr", "TxUpdatedInterval"),
            ("SampledDataCtrlr", "TxUpdatedMeasurands"),
            ("TxCtrlr", "TxStartPoint"),
            ("TxCtrlr", "TxStopPoint"),
            ("AuthCtrlr", "LocalPreAuthorize"),
            ("NoSuchCtrlr", "Nothing"),
        )
    ]
}


class Csms:
    """Serves on a free port of loopback from `start` to `stop`.

    `events`: the seqNo of each TransactionEvent, the last of which came at `event_mono`. `reports`: each NotifyReport.
    """

    def __init__(self, *, flood: bool = False) -> None:
        self.booted = threading.Event()
        self.booted_mono = 0.0
        self.answers = 0
        self.events: list[int] = []
        self.event_mono = 0.0
        self.reports: list[Mapping[str, Any]] = []
        self._flood = flood
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._port = 0
        self._connection: ServerConnection | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)

    def start(self) -> str:
        """The URL for a station."""
        self._thread.start()
        self._ready.wait()
        return f"ws://127.0.0.1:{self._port}/ocpp"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def ask(self, action: str, payload: Mapping[str, Any]) -> None:
        """Send a request to the station; its answer counts in `answers`."""
        assert self._connection is not None, "nobody is connected"
        text = json.dumps([2, f"ask-{time.monotonic_ns()}", action, payload])
        asyncio.run_coroutine_threadsafe(self._connection.send(text), self._loop).result()

    async def _run(self) -> None:
        async with serve(
            self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp2.0.1")], compression=None, ping_interval=None
        ) as server:
            self._port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _serve(self, connection: ServerConnection) -> None:
        sent = 0
        self._connection = connection
        try:
            async for text in connection:
                at_mono = time.monotonic()
                frame = json.loads(text)
                if frame[0] == 2:
                    await connection.send(json.dumps([3, frame[1], _answer(frame[2])]))
                    self._note(frame[2], frame[3], at_mono)
                    if frame[2] == "BootNotification":
                        self.booted_mono = at_mono
                        self.booted.set()
                        for _ in range(IN_FLIGHT if self._flood else 0):
                            sent += 1
                            await connection.send(_request(sent))
                else:
                    assert frame[0] == 3, frame
                    self.answers += 1
                    if self._flood:
                        sent += 1
                        await connection.send(_request(sent))
        except ConnectionClosed:
            pass

    def _note(self, action: str, payload: Mapping[str, Any], at_mono: float) -> None:
        if action == "TransactionEvent":
            self.events.append(payload["seqNo"])
            self.event_mono = at_mono
        elif action == "NotifyReport":
            self.reports.append(payload)


def _answer(action: str) -> Mapping[str, Any]:
    if action == "BootNotification":
        return {"status": "Accepted", "interval": 300, "currentTime": _stamp()}
    if action == "Heartbeat":
        return {"currentTime": _stamp()}
    return _ANSWERS.get(action, {})


def _request(number: int) -> str:
    """What a flood consists of: reading variables and schedules, and now and then another limit."""
    if number % PROFILE_EVERY == 0:
        return json.dumps([2, f"flood-{number}", "SetChargingProfile", _profile(10.0 + number // PROFILE_EVERY % 7)])
    if number % 2:
        return json.dumps([2, f"flood-{number}", "GetVariables", _VARIABLES])
    return json.dumps([2, f"flood-{number}", "GetCompositeSchedule", {"evseId": 1, "duration": 86400}])


def _profile(amps: float) -> Mapping[str, Any]:
    schedule = {
        "id": 1,
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
    }
    profile = {
        "id": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    return {"evseId": 1, "chargingProfile": profile}


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
