"""A CSMS that sends as much as it can: nothing grows, and the charge goes on (bug class 18)."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from chargerd.link import MAX_FRAME_BYTES
from tests.processes.charge import PASSWORD, Charger, charger, is_charging

MAY_GROW_BYTES = 10 * 1024 * 1024
BOMB_BYTES = 100 * 1024 * 1024
FRAMES = 400


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def floods() -> list[str]:
    """Frames of the largest size that is taken, each of another kind."""
    room = MAX_FRAME_BYTES - 200
    many = ",".join(["1"] * (room // 2 - 10))
    return [
        "x" * room,
        "[" * room,
        f'[2,"1","Reset",{{"type":"{"y" * room}"}}]',
        f'[2,"2","DataTransfer",{{"vendorId":"v","data":[{many}]}}]',
        f'[2,"{"i" * room}","Heartbeat",{{}}]',
        f'[3,"{"j" * room}",{{}}]',
        json.dumps([2, "3", "DataTransfer", {"vendorId": "v", "data": "z" * room}]),
    ]


class Flooding:
    """First one compressed frame that is a hundred megabytes, at the next connection a flood, then silence."""

    def __init__(self) -> None:
        self.connections = 0
        self.flooded = asyncio.Event()

    async def serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionClosed):
            if self.connections == 1:
                await connection.send("0" * BOMB_BYTES)
            elif self.connections == 2:
                reading = asyncio.create_task(self._read(connection))
                kinds = floods()
                for number in range(FRAMES):
                    await connection.send(kinds[number % len(kinds)])
                await asyncio.sleep(1.0)
                self.flooded.set()
                await reading
            await connection.wait_closed()

    async def _read(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                pass


def test_neither_a_compressed_bomb_nor_a_flood_makes_the_station_grow_or_ends_a_charge() -> None:
    async def story() -> None:
        flooding = Flooding()
        async with serve(
            flooding.serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("ocpp2.0.1")],
            ping_interval=None,
            close_timeout=0.2,
        ) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ocpp"
            async with charger(csms_url=url, password=PASSWORD) as station:
                await survives(station, flooding)

    async def survives(station: Charger, flooding: Flooding) -> None:
        await station.charge()
        pid = station.rig.pid("station")
        before = resident_bytes(pid)
        async with asyncio.timeout(60):
            await flooding.flooded.wait()
        grown = resident_bytes(pid) - before
        assert grown < MAY_GROW_BYTES, f"{grown / 2**20:.1f} MiB"
        assert station.rig.pid("station") == pid
        assert station.log.having("bad frame", "broke the protocol")  # the bomb
        status: dict[str, Any] = await station.status()
        assert is_charging(status)

    asyncio.run(story())
