"""A Modbus TCP device whose holding registers a test sets: pymodbus' own server on loopback."""

import asyncio
import threading
from typing import Any, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNIT = 5


class Registers:
    """`words`: address -> register; `silent`: it answers nothing. A context manager, which stops it."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.silent = False
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._serve())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(server.shutdown())
        pending = asyncio.all_tasks(self._loop)
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))

    async def _serve(self) -> ModbusTcpServer:
        async def look(*request: Any) -> None:
            start, registers = request[1], request[4]
            registers[:] = [self.words.get(start + index, 0) for index in range(len(registers))]

        device = SimDevice(UNIT, simdata=[SimData(0, values=[0] * 100, datatype=DataType.REGISTERS)], action=look)
        server = ModbusTcpServer(device, address=("127.0.0.1", 0), trace_packet=self._on_packet)
        await server.listen()
        self.port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return server

    def _on_packet(self, sending: bool, packet: bytes) -> bytes:
        return b"" if sending and self.silent else packet
