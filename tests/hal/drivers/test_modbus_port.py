"""The keys that all devices on Modbus share."""

import pytest

from hal.drivers.modbus_port import ModbusPort
from hal.types import BoardError, EvseFacts

FACTS = EvseFacts(max_amps=32, phases=3)


@pytest.mark.parametrize("settings", [ModbusPort(), ModbusPort(port="/dev/ttyS0", host="192.0.2.1")])
def test_both_ways_or_none_are_refused(settings: ModbusPort) -> None:
    with pytest.raises(BoardError, match=r"^port: found both or neither of 'port' and 'host'; give 'port' for RTU"):
        settings.check(FACTS)


def test_a_unit_belongs_to_one_device_and_a_line_has_one_setting() -> None:
    serial = ModbusPort(port="/dev/ttyS0", unit=7, parity="E", echo=True)
    serial.check(FACTS)
    assert serial.claims() == ("unit 7 on /dev/ttyS0",)
    assert serial.bus() == ("/dev/ttyS0", "9600 baud, parity E, 1 stop bits, 300 ms, echo")
    network = ModbusPort(host="192.0.2.1", tcp_port=1502)
    network.check(FACTS)
    assert network.claims() == ("unit 1 on 192.0.2.1:1502",)
    assert network.bus() == ("192.0.2.1:1502", "300 ms")
