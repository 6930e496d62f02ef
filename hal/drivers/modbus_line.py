"""One Modbus line (RS-485 port or TCP connection), one user at a time: questions, silences, retries, reconnection.

What goes wrong is told apart for people: the port is gone (DeviceMissing), nothing came back (DeviceSilent), something
came back that is no answer (DeviceGarbled), the device refused (DeviceRefused). RTU frames carry no number, so an
answer that comes late could pass for the next one's: what does not fit is dropped, and after a question without an
answer its unit is left alone until an answer to it can no longer come.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from hal.drivers.modbus_frames import answer_bytes, find_answer, find_stray
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, HalError, LineQuality

QUIET_S = 0.02
"""Silence after something unexpected was heard: more than 3.5 characters at 2400 baud (Modbus over serial line)."""

FLUSHES = 5
"""So often bytes that nobody asked for are thrown away before a question is asked into them all the same."""

LONGEST_HEARD_BYTES = 1024
"""A line that babbles is cut off here: the longest frame has 256 bytes."""

EXCEPTION_NAMES = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "working on it",
    6: "device busy",
    10: "gateway: no path",
    11: "gateway: target does not respond",
}


class DeviceRefused(DeviceGarbled):
    """The device answered with a Modbus exception. `code`: which one (EXCEPTION_NAMES)."""

    def __init__(self, device: str, why: str, code: int) -> None:
        super().__init__(device, why)
        self.code = code


class SerialClient(ModbusSerialClient):
    """pymodbus' serial client, waiting on the port: the original polls, and times out by the wall clock."""

    deadline_mono = 0.0

    def recv(self, size: int | None) -> bytes:
        """The bytes that have come, waiting for the first one; empty after the deadline."""
        if self.socket is None:
            raise ConnectionException(str(self))
        try:
            self.socket.timeout = max(0.0, self.deadline_mono - time.monotonic())
            first: bytes = self.socket.read(1)
            return first + self.socket.read(self.socket.in_waiting) if first else b""
        except OSError as error:
            self.close()  # type: ignore[no-untyped-call]
            raise ConnectionException(str(self)) from error

    def flush(self) -> int:
        """Throw away what came unasked; how many bytes that was."""
        try:
            return len(self.socket.read(self.socket.in_waiting)) if self.socket is not None else 0
        except OSError:
            self.close()  # type: ignore[no-untyped-call]
            return 0


class TcpClient(ModbusTcpClient):
    """pymodbus' TCP client with a deadline by the monotonic clock."""

    deadline_mono = 0.0

    def recv(self, size: int | None) -> bytes:
        """The bytes that have come, waiting for the first ones; empty after the deadline."""
        if self.socket is None:
            raise ConnectionException(str(self))
        try:
            self.socket.settimeout(max(0.001, self.deadline_mono - time.monotonic()))
            received: bytes = self.socket.recv(4096)
        except TimeoutError:
            return b""
        except OSError as error:
            self.close()  # type: ignore[no-untyped-call]
            raise ConnectionException(str(self)) from error
        if not received:
            self.close()  # type: ignore[no-untyped-call]
            raise ConnectionException(f"{self} was closed by the other side")
        return received


Client = SerialClient | TcpClient
Trace = Callable[[bool, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Question:
    """One request: what is asked of which unit, in the words of messages, and how to put it to a client."""

    device: str
    unit: int
    function: int
    address: int
    count: int
    put: Callable[[Client], Any]

    @property
    def words(self) -> str:
        """What is asked, for messages."""
        what = "coils" if self.function in {1, 2, 5} else "registers"
        return f"{what} 0x{self.address:04X}+{self.count} by function {self.function}"


class ModbusLine:
    """A line shared by the devices of a board. `name`: the port or address, for messages.

    Every request takes `retries`, how often it is repeated, and `gap_s`, the silence its device wants before it. It
    takes at most (2 x retries + 1) x (timeout + gap), and as long again for each device that is asking already.
    """

    def __init__(self, name: str, timeout_s: float, make_client: Callable[[Trace], Client]) -> None:
        # A silent meter is an answer to whoever asked, and told once by the shell; pymodbus would log each try.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self._name = name
        self._timeout_s = timeout_s
        self._client = make_client(self._listen)
        self._lock = threading.Lock()
        self._question: Question | None = None
        self._heard = b""
        self._stray: int | None = None
        self._quiet_since_s = 0.0
        self._settled_at_s: dict[int, float] = {}
        self._counts: dict[int, dict[str, int]] = {}
        self._users = 0

    @classmethod
    def serial(
        cls, port: str, baud: int, parity: str, stop_bits: int, timeout_s: float, *, echo: bool = False
    ) -> "ModbusLine":
        """Modbus RTU on a serial port; opened at the first request, and again whenever it was lost.

        `echo`: the adapter hears itself, so every request comes back before its answer.
        """

        def make_client(trace: Trace) -> Client:
            return SerialClient(
                port,
                baudrate=baud,
                parity=parity,
                stopbits=stop_bits,
                timeout=timeout_s,
                retries=0,
                handle_local_echo=echo,
                trace_packet=trace,
            )

        return cls(port, timeout_s, make_client)

    @classmethod
    def tcp(cls, host: str, port: int, timeout_s: float) -> "ModbusLine":
        """Modbus TCP; connected at the first request, and again whenever the connection was lost."""

        def make_client(trace: Trace) -> Client:
            return TcpClient(host, port=port, timeout=timeout_s, retries=0, trace_packet=trace)

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

    def quality(self, unit: int | None = None) -> LineQuality:
        """How the line has fared since start: with one unit, or (None) with all of them."""
        quality = LineQuality()
        for each, counts in list(self._counts.items()):
            if unit in {None, each}:
                sums = {name: getattr(quality, name) + count for name, count in dict(counts).items()}
                quality = LineQuality(**{**_as_dict(quality), **sums})
        return quality

    # ---- what may be asked; HalError when there is no answer, or none that fits ----

    def read(
        self, device: str, unit: int, function: Literal[3, 4], address: int, count: int, *, retries: int, gap_s: float
    ) -> list[int]:
        """`count` holding (3) or input (4) registers from `address` on."""

        def put(client: Client) -> Any:
            ask = client.read_input_registers if function == 4 else client.read_holding_registers
            return ask(address, count=count, device_id=unit)

        reply = self._ask(Question(device, unit, function, address, count, put), retries, gap_s)
        registers = list(reply.registers)
        if len(registers) != count:
            raise self._garbled(device, unit, f"answered {len(registers)} registers, {count} were asked for")
        return registers

    def read_bits(
        self, device: str, unit: int, function: Literal[1, 2], address: int, count: int, *, retries: int, gap_s: float
    ) -> list[bool]:
        """`count` coils (1) or discrete inputs (2) from `address` on."""

        def put(client: Client) -> Any:
            ask = client.read_coils if function == 1 else client.read_discrete_inputs
            return ask(address, count=count, device_id=unit)

        reply = self._ask(Question(device, unit, function, address, count, put), retries, gap_s)
        if len(reply.bits) < count:
            raise self._garbled(device, unit, f"answered {len(reply.bits)} bits, {count} were asked for")
        return [bool(bit) for bit in reply.bits[:count]]  # an answer has whole bytes

    def write_register(self, device: str, unit: int, address: int, value: int, *, retries: int, gap_s: float) -> None:
        """One holding register (function 6)."""

        def put(client: Client) -> Any:
            return client.write_register(address, value, device_id=unit)

        reply = self._ask(Question(device, unit, 6, address, 1, put), retries, gap_s)
        self._check_echo(device, unit, (address, value), (reply.address, *reply.registers))

    def write_registers(
        self, device: str, unit: int, address: int, values: Sequence[int], *, retries: int, gap_s: float
    ) -> None:
        """Holding registers from `address` on, 1 to 123 of them (function 16)."""

        def put(client: Client) -> Any:
            return client.write_registers(address, list(values), device_id=unit)

        reply = self._ask(Question(device, unit, 16, address, len(values), put), retries, gap_s)
        self._check_echo(device, unit, (address, len(values)), (reply.address, reply.count))

    def write_coil(self, device: str, unit: int, address: int, on: bool, *, retries: int, gap_s: float) -> None:
        """One coil (function 5)."""

        def put(client: Client) -> Any:
            return client.write_coil(address, on, device_id=unit)

        reply = self._ask(Question(device, unit, 5, address, 1, put), retries, gap_s)
        self._check_echo(device, unit, (address, on), (reply.address, bool(reply.bits[0])))

    # ---- how it is asked ----

    def _ask(self, question: Question, retries: int, gap_s: float) -> ModbusPDU:
        failure: HalError
        with self._lock:
            for _ in range(retries + 1):
                self._keep_silence(question.unit, gap_s)
                try:
                    return self._transact(question)
                except (DeviceSilent, DeviceGarbled) as error:
                    failure = error
                finally:
                    self._quiet_since_s = time.monotonic()
            raise failure

    def _keep_silence(self, unit: int, gap_s: float) -> None:
        """RTU frames are told apart by silence; many meters need far more of it than the standard's 3.5 characters."""
        until_s = max(self._quiet_since_s + gap_s, self._settled_at_s.pop(unit, 0.0))
        _sleep_until(until_s)
        if isinstance(self._client, SerialClient):
            for _ in range(FLUSHES):
                if not self._client.flush():
                    return
                self._count(unit, "strays")
                _sleep_until(time.monotonic() + max(QUIET_S, gap_s))

    def _transact(self, question: Question) -> ModbusPDU:
        unit = question.unit
        self._question, self._heard = question, b""
        self._count(unit, "requests")
        try:
            reply = self._put(question)
        except ConnectionException as error:
            self._count(unit, "missing")
            why = f"{self._name} cannot be used; is it plugged in, and free?"
            raise DeviceMissing(question.device, why) from error
        except ModbusException as error:
            failure = self._no_answer(question)
            self._after_failure(unit, is_answer_due=isinstance(failure, DeviceSilent) or self._stray is not None)
            raise failure from error
        if isinstance(reply, ExceptionResponse):
            self._count(unit, "refusals")
            why = EXCEPTION_NAMES.get(reply.exception_code, "unknown")
            text = f"unit {unit} refuses {question.words}: exception {reply.exception_code} ({why})"
            raise DeviceRefused(question.device, text, reply.exception_code)
        assert isinstance(reply, ModbusPDU), "can't happen because an answer is expected to every request"
        if reply.function_code != question.function:
            raise self._garbled(
                question.device, unit, f"answered function {reply.function_code}, {question.function} was asked"
            )
        self._count(unit, "answers")
        return reply

    def _put(self, question: Question) -> Any:
        """The reply; a TCP connection that the other side closed while it was idle is opened again, once."""
        self._client.deadline_mono = time.monotonic() + self._timeout_s
        was_open = isinstance(self._client, TcpClient) and self._client.connected
        try:
            return question.put(self._client)
        except ConnectionException:
            if not was_open:
                raise
        self._client.close()  # type: ignore[no-untyped-call]
        self._count(question.unit, "reconnects")
        self._client.deadline_mono = time.monotonic() + self._timeout_s
        return question.put(self._client)

    def _no_answer(self, question: Question) -> HalError:
        within = f"within {self._timeout_s * 1000:.0f} ms"
        unit, heard = question.unit, self._heard
        if not heard:
            self._count(unit, "timeouts")
            return DeviceSilent(question.device, f"unit {unit} on {self._name} did not answer {within}")
        stray = self._stray = find_stray(heard) if isinstance(self._client, SerialClient) else None
        self._count(unit, "garbled" if stray is None else "strays")
        if stray is None:
            what = f"is no valid answer of unit {unit}"
        elif stray == unit:
            what = f"is an answer of unit {unit} to another question"
        else:
            what = f"is an answer of unit {stray}, unit {unit} was asked"
        return DeviceGarbled(question.device, f"what came on {self._name} {within} {what}")

    def _after_failure(self, unit: int, *, is_answer_due: bool) -> None:
        """A TCP connection that fell silent may be half open; a new one also cannot deliver the old answer.

        On a serial line the answer may yet come, so the unit is asked nothing for as long as it could have taken; a
        damaged answer has been.
        """
        if isinstance(self._client, TcpClient):
            self._client.close()  # type: ignore[no-untyped-call]
            self._count(unit, "reconnects")
        elif is_answer_due:
            self._settled_at_s[unit] = time.monotonic() + self._timeout_s
            self._count(unit, "resyncs")

    def _check_echo(self, device: str, unit: int, asked: tuple[int, ...], confirmed: tuple[int, ...]) -> None:
        if asked != confirmed:
            raise self._garbled(device, unit, f"confirmed {confirmed} when {asked} was written")

    def _garbled(self, device: str, unit: int, what: str) -> DeviceGarbled:
        self._count(unit, "garbled")
        return DeviceGarbled(device, f"unit {unit} {what}")

    def _listen(self, sending: bool, packet: bytes) -> bytes:
        """pymodbus shows every packet here and takes what is returned: on a serial line only the answer itself."""
        question = self._question
        if sending or question is None:
            return packet
        self._heard = packet[:LONGEST_HEARD_BYTES]
        if isinstance(self._client, TcpClient):
            return packet
        size = answer_bytes(question.function, question.count)
        return find_answer(self._heard, question.unit, question.function, size)

    def _count(self, unit: int, what: str) -> None:
        counts = self._counts.setdefault(unit, {})
        counts[what] = counts.get(what, 0) + 1


def _as_dict(quality: LineQuality) -> dict[str, int]:
    return {name: getattr(quality, name) for name in quality.__struct_fields__}


def _sleep_until(at_s: float) -> None:
    wait_s = at_s - time.monotonic()
    if wait_s > 0:
        time.sleep(wait_s)
