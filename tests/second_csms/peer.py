"""The CSMS of csms.js as a test sees it: what it heard, and what it can be told to ask."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("csms.js")
WITHIN_S = 20.0

Json = dict[str, Any]


class SecondCsms:
    """`heard`: every request of the station as (action, payload). `bad`: what its own validator complained of."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.heard: list[tuple[str, Json]] = []
        self.bad: list[str] = []
        self.connected = False
        self.connections = 0
        self.port = 0
        self._process = process
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Json]] = {}

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    async def call(self, action: str, payload: Mapping[str, Any] | None = None) -> Json:
        """The station's answer, or {"error": code}."""
        number = next(self._ids)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._tell({"id": number, "call": action, "payload": payload or {}})
        answered = await asyncio.wait_for(reply, WITHIN_S)
        return answered.get("result", {"error": answered.get("error")})  # type: ignore[no-any-return]

    def hang_up(self) -> None:
        """Close the connection; the station comes back."""
        self._tell({"close": True})

    async def sees(self, action: str, fits: Callable[[Json], bool] = lambda _payload: True) -> Json:
        """The first such request, waiting for it."""
        await self.until(lambda: self.all(action, fits))
        return self.all(action, fits)[0]

    def all(self, action: str, fits: Callable[[Json], bool] = lambda _payload: True) -> list[Json]:
        """All such requests so far."""
        return [payload for heard, payload in self.heard if heard == action and fits(payload)]

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while True:
                if holds():
                    return
                await asyncio.sleep(0.02)

    async def listen(self) -> None:
        """Take down what it says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            match said:
                case {"listening": port}:
                    self.port = port
                case {"connected": connected}:
                    self.connected = connected
                    self.connections += connected
                case {"heard": action, "payload": payload}:
                    self.heard.append((action, payload))
                case {"reply": number}:
                    self._replies.pop(number).set_result(said)
                case {"bad": problem}:
                    self.bad.append(problem)

    def _tell(self, line: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")


@asynccontextmanager
async def second_csms(password: str) -> AsyncIterator[SecondCsms]:
    """One that listens, ended afterwards."""
    process = await asyncio.create_subprocess_exec(
        "node", str(PROGRAM), password,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=8 * 1024 * 1024,
    )  # fmt: skip
    csms = SecondCsms(process)
    listening = asyncio.create_task(csms.listen())
    try:
        await csms.until(lambda: csms.port)
        yield csms
    finally:
        process.terminate()
        await process.wait()
        await listening
