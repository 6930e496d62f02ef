"""How a board file names a device on Modbus: a serial port (RTU) or a host (TCP), and its unit id there."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hal.drivers.modbus_line import ModbusLine
from hal.drivers.modbus_unit import ModbusUnit
from hal.slot import DeviceSlot, DriverSettings
from hal.types import BoardError, DeviceMissing, EvseFacts


class ModbusAddress(DriverSettings, frozen=True, kw_only=True):
    """Where a device is: a serial `port` or a `host`, never both, and its Modbus address `unit` there."""

    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1
    port: str | None = None
    host: str | None = None
    tcp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 502

    def check(self, evse: EvseFacts) -> None:
        """One way to the device."""
        if (self.port is None) == (self.host is None):
            raise BoardError(
                "port", "found both or neither of 'port' and 'host'", "give 'port' for RTU or 'host' for TCP"
            )

    @property
    def line(self) -> str:
        """The line's name in messages."""
        return self.port if self.port is not None else f"{self.host}:{self.tcp_port}"


class ModbusPort(ModbusAddress, frozen=True, kw_only=True):
    """The keys of a device that opens its line: where it is, and how the line is spoken to.

    `echo`: the serial adapter hears itself; `timeout_ms`: how long an answer may take.
    """

    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    echo: bool = False
    timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=2000)] = 300

    def claims(self) -> tuple[str, ...]:
        """A unit id on a line belongs to one device."""
        return (f"unit {self.unit} on {self.line}",)

    def bus(self) -> tuple[str, str]:
        """Devices may share a line."""
        echo = ", echo" if self.echo else ""
        rtu = f"{self.baud} baud, parity {self.parity}, {self.stop_bits} stop bits, {self.timeout_ms} ms{echo}"
        return self.line, rtu if self.port is not None else f"{self.timeout_ms} ms"

    def open_unit(self, slot: DeviceSlot, gap_ms: int) -> ModbusUnit:
        """The device's unit on its line, which all devices that name the line share. DeviceMissing without its port."""
        if self.port is not None and not Path(self.port).exists():
            raise DeviceMissing(
                slot.device, f"{self.port} is not there; plug the adapter in, or mend 'port' in the board file"
            )
        line = slot.share(f"modbus {self.line}", ModbusLine, self._open_line)
        line.join()
        return ModbusUnit(line, slot.device, self.unit, gap_ms)

    def _open_line(self) -> ModbusLine:
        timeout_s = self.timeout_ms / 1000
        if self.port is not None:
            return ModbusLine.serial(self.port, self.baud, self.parity, self.stop_bits, timeout_s, echo=self.echo)
        assert self.host is not None, "can't happen because check() wants one of the two"
        return ModbusLine.tcp(self.host, self.tcp_port, timeout_s)
