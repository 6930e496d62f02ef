"""The drop-in opens what the board file names, and nothing else."""

import argparse
from pathlib import Path

import pytest

from chargerd.control import main_board_dropin
from chargerd.dropin import board_dropin
from hal.board import load_board
from hal.types import BoardError
from tests.chargerd.charger import BENCH
from tests.hal.boards import BENCH_DIRECT

REAL_METERS = """
[board]
vendor = "Example"
model = "Two meters"
serial = "X-1"
relay_deadman = "simulated"
[plant]
"""
EVSE = """
[[evse]]
max_amps = 16
phases = 3
connector = "cType2"
tethered = true
pilot = {{ driver = "sim" }}
relays = {{ driver = "sim" }}
meter = {{ driver = "meter_modbus", map = "eastron_sdm630", {meter} }}
"""


def settings_of(dropin: str) -> list[str]:
    return [line for line in dropin.splitlines() if not line.startswith("#")]


def dropin_for(tmp_path: Path, *meters: str) -> str:
    path = tmp_path / "board.toml"
    path.write_text(REAL_METERS + "".join(EVSE.format(meter=meter) for meter in meters))
    return board_dropin(load_board(path))


def test_a_simulated_board_needs_nothing() -> None:
    assert settings_of(board_dropin(load_board(BENCH))) == ["[Service]"]


def test_a_serial_port_is_allowed_by_its_node_once(tmp_path: Path) -> None:
    dropin = dropin_for(tmp_path, 'port = "/dev/ttyS1", unit = 1', 'port = "/dev/ttyS1", unit = 2')
    assert settings_of(dropin) == ["[Service]", "DeviceAllow=/dev/ttyS1 rw"]


@pytest.mark.parametrize(
    "port", ["/dev/ttyUSB0", "/dev/ttyACM1", "/dev/serial/by-id/usb-FTDI-if00", "/dev/chargerd/tty-x"]
)
def test_a_usb_adapter_that_comes_back_under_another_number_is_allowed(tmp_path: Path, port: str) -> None:
    assert settings_of(dropin_for(tmp_path, f'port = "{port}"')) == [
        "[Service]",
        f"DeviceAllow={port} rw",
        "DeviceAllow=char-ttyACM rw",
        "DeviceAllow=char-ttyUSB rw",
    ]


def test_a_gpio_driver_opens_its_chips_and_the_leds_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    devices = """
external_limit = { driver = "limit_gpio", contacts = [{ chip = "/dev/gpiochip2", line = 4, amps = 6 }] }
indicator = { driver = "indicator_leds", red = { chip = "pinctrl-x", line = 3 }, blue = { led = "blue:status" } }
"""
    path.write_text(REAL_METERS + EVSE.format(meter='port = "/dev/ttyUSB0"') + devices)
    assert settings_of(board_dropin(load_board(path))) == [
        "[Service]",
        "DeviceAllow=/dev/gpiochip2 rw",
        "DeviceAllow=/dev/ttyUSB0 rw",
        "DeviceAllow=char-gpiochip rw",
        "DeviceAllow=char-ttyACM rw",
        "DeviceAllow=char-ttyUSB rw",
        "ReadWritePaths=/sys/class/leds/blue:status",
    ]


def test_a_pilot_of_the_kernel_may_write_to_the_pwm_and_reads_the_rest_anyway(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    text = BENCH_DIRECT.read_text().replace("{run}/sys-1", "/sys")
    plant, evse = text.index("[plant]"), text.index("[[evse]]")
    text = text[:plant] + text[evse:].replace('driver = "sim"', 'driver = "_blueprint"\nport = "/dev/ttyS1"', 1)
    path.write_text(
        text.replace('relay_deadman = "simulated"', 'relay_deadman = "hardware"').partition("[evse.meter]")[0]
    )
    assert settings_of(board_dropin(load_board(path))) == [
        "[Service]",
        "DeviceAllow=/dev/ttyS1 rw",
        "ReadWritePaths=/sys/devices/platform",
    ]


def test_tcp_meters_open_the_network_to_exactly_their_addresses(tmp_path: Path) -> None:
    dropin = dropin_for(tmp_path, 'host = "192.168.7.20"', 'host = "fd00::20"')
    assert settings_of(dropin) == [
        "[Service]",
        "PrivateNetwork=no",
        "RestrictAddressFamilies=AF_INET AF_INET6",
        "IPAddressDeny=any",
        "IPAddressAllow=192.168.7.20",
        "IPAddressAllow=fd00::20",
    ]


def test_a_host_name_is_refused_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"evse\[0\]\.meter\.host: 'meter\.local' is not an IP address; give the addr"):
        dropin_for(tmp_path, 'host = "meter.local"')


def test_the_command_prints_the_dropin_and_refuses_a_wrong_board(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_board_dropin(argparse.Namespace(board=BENCH)) == 0
    assert capsys.readouterr().out == board_dropin(load_board(BENCH))
    assert main_board_dropin(argparse.Namespace(board=tmp_path / "none.toml")) == 78
    assert "none.toml" in capsys.readouterr().err
