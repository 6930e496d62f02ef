"""One Modbus line (RS-485 port or TCP connection), one user at a time: requests, silences, retries, reconnection.

What goes wrong is told apart for people: the port is gone (DeviceMissing), nothing came back (DeviceSilent),
something came back that is no answer (DeviceGarbled). After any failure the next request starts on a flushed line.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse

from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError

EXCEPTION_NAMES = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    6: "device busy",
    11: "gateway: target does not respond",
}


class SerialClient(ModbusSerialClient):
    """pymodbus' serial client, waiting on the port: the original polls, and times out by the wall clock."""

    def recv(self, size: int | None) -> bytes:
        """The bytes that have come, waiting for the first one; empty after the timeout."""
        if self.socket is None:
            raise ConnectionException(str(self))
        try:
            first: bytes = self.socket.read(1)
            return first + self.socket.read(self.socket.in_waiting) if first else b""
        except OSError as error:
            self.close()  # type: ignore[no-untyped-call]
            raise ConnectionException(str(self)) from error


Client = ModbusSerialClient | ModbusTcpClient
Trace = Callable[[bool, bytes], bytes]


class ModbusLine:
    """A line shared by the devices of a board. `name`: the port or address, for messages."""

    def __init__(self, name: str, timeout_s: float, make_client: Callable[[Trace], Client]) -> None:
        # A silent meter is an answer to whoever asked, and told once by the shell; pymodbus would log each try.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self._name = name
        self._timeout_s = timeout_s
        self._client = make_client(self._listen)
        self._lock = threading.Lock()
        self._heard = False
        self._quiet_since_s = 0.0
        self._users = 0

    @classmethod
    def serial(cls, port: str, baud: int, parity: str, stop_bits: int, timeout_s: float) -> "ModbusLine":
        """Modbus RTU on a serial port; opened at the first request, and again whenever it was lost."""

        def make_client(trace: Trace) -> Client:
            return SerialClient(
                port, baudrate=baud, parity=parity, stopbits=stop_bits, timeout=timeout_s, retries=0, trace_packet=trace
            )

        return cls(port, timeout_s, make_client)

    @classmethod
    def tcp(cls, host: str, port: int, timeout_s: float) -> "ModbusLine":
        """Modbus TCP; connected at the first request, and again whenever the connection was lost."""

        def make_client(trace: Trace) -> Client:
            return ModbusTcpClient(host, port=port, timeout=timeout_s, retries=0, trace_packet=trace)

        return cls(f"{host}:{port}", timeout_s, make_client)

    def join(self) -> None:
        """One more device uses the line."""
        self._users += 1

    def leave(self) -> None:
        """A device is done with the line; the last one closes it."""
        self._users -= 1
        if self._users <= 0:
            with self._lock:
                self._client.close()  # type: ignore[no-untyped-call]

    def read(
        self, device: str, unit: int, function: Literal[3, 4], address: int, count: int, *, retries: int, gap_s: float
    ) -> list[int]:
        """`count` registers from `address` on, or HalError; takes at most (retries + 1) x (timeout + gap)."""
        failure: HalError
        with self._lock:
            for _ in range(retries + 1):
                self._keep_silence(gap_s)
                try:
                    return self._transact(device, unit, function, address, count)
                except (DeviceSilent, DeviceGarbled) as error:
                    failure = error
                finally:
                    self._quiet_since_s = time.monotonic()
            raise failure

    def _keep_silence(self, gap_s: float) -> None:
        """RTU frames are told apart by silence; many meters need far more of it than the standard's 3.5 characters."""
        wait_s = self._quiet_since_s + gap_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)

    def _transact(self, device: str, unit: int, function: Literal[3, 4], address: int, count: int) -> list[int]:
        self._heard = False
        ask = self._client.read_input_registers if function == 4 else self._client.read_holding_registers
        try:
            reply = ask(address, count=count, device_id=unit)
        except ConnectionException as error:
            raise DeviceMissing(device, f"{self._name} cannot be used; is it plugged in, and free?") from error
        except ModbusException as error:
            self._after_failure()
            raise self._no_answer(device, unit) from error
        if isinstance(reply, ExceptionResponse):
            why = EXCEPTION_NAMES.get(reply.exception_code, "unknown")
            asked = f"registers 0x{address:04X}+{count} by function {function}"
            raise DeviceGarbled(device, f"unit {unit} refuses {asked}: exception {reply.exception_code} ({why})")
        registers = reply.registers
        if reply.function_code != function or len(registers) != count:
            raise DeviceGarbled(device, f"unit {unit} answered {len(registers)} registers, {count} were asked for")
        return list(registers)

    def _no_answer(self, device: str, unit: int) -> HalError:
        within = f"within {self._timeout_s * 1000:.0f} ms"
        if self._heard:
            return DeviceGarbled(device, f"what came on {self._name} {within} is no valid answer of unit {unit}")
        return DeviceSilent(device, f"unit {unit} on {self._name} did not answer {within}")

    def _after_failure(self) -> None:
        """A TCP connection that fell silent may be half open; a new one also cannot deliver the old answer."""
        if isinstance(self._client, ModbusTcpClient):
            self._client.close()

    def _listen(self, sending: bool, packet: bytes) -> bytes:
        if not sending:
            self._heard = True
        return packet


def value_of(registers: list[int], kind: str, word_order: Literal["big", "little"]) -> float:
    """Registers as the number of that type (`f32`, `u16`, ...), as pymodbus decodes it."""
    types: dict[str, Any] = {
        "u16": ModbusSerialClient.DATATYPE.UINT16,
        "i16": ModbusSerialClient.DATATYPE.INT16,
        "u32": ModbusSerialClient.DATATYPE.UINT32,
        "i32": ModbusSerialClient.DATATYPE.INT32,
        "f32": ModbusSerialClient.DATATYPE.FLOAT32,
        "u64": ModbusSerialClient.DATATYPE.UINT64,
        "i64": ModbusSerialClient.DATATYPE.INT64,
        "f64": ModbusSerialClient.DATATYPE.FLOAT64,
    }
    value = ModbusSerialClient.convert_from_registers(registers, types[kind], word_order)
    assert isinstance(value, int | float), "can't happen because only number types are in the table"
    return float(value)
