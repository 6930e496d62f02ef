"""A Modbus TCP device whose registers and coils a test sets: pymodbus' own server on loopback."""

import asyncio
import struct
import threading
from typing import Any, Self

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNIT = 5
SIZE = 600


class Registers:
    """`words`, `coils`: address -> what it holds, 0 and False for any other; both kinds of registers are the same.

    `silent`: it answers nothing; `tid_shift`: its answers carry the number of another request. A context manager,
    which stops it.
    """

    def __init__(self, words: dict[int, int] | None = None, unit: int = UNIT) -> None:
        self.words = words or {}
        self.coils: dict[int, bool] = {}
        self.silent = False
        self.tid_shift = 0
        self.port = 0
        self._unit = unit
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
        words = SimData(0, values=[0] * SIZE, datatype=DataType.REGISTERS)
        bits = SimData(0, values=[False] * SIZE, datatype=DataType.BITS)
        device = SimDevice(self._unit, simdata=([bits], [bits], [words], [words]), action=self._look)
        server = ModbusTcpServer(device, address=("127.0.0.1", 0), trace_packet=self._on_packet)
        await server.listen()
        self.port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return server

    async def _look(self, *request: Any) -> None:
        """Called before each answer with (function, start, address, count, registers, values to write)."""
        function, start, address, _, registers, values = request
        if function == 5 and values:
            self.coils[address] = bool(values[0])
        elif function == 6 and values:
            self.words[address] = values[0]
        elif function in {3, 4}:
            registers[:] = [self.words.get(start + index, 0) for index in range(len(registers))]

    def _on_packet(self, sending: bool, packet: bytes) -> bytes:
        if sending and self.silent:
            return b""
        if sending and self.tid_shift:
            return struct.pack(">H", struct.unpack(">H", packet[:2])[0] + self.tid_shift) + packet[2:]
        return packet
