"""What the control process may reach, from the board file, as a systemd drop-in: its device nodes and TCP meters.

The unit itself (systemd/chargerd-control.service) opens nothing, so a board without its drop-in fails closed.
"""

import ipaddress
from collections.abc import Iterator

import msgspec

from hal.board import BoardConfig
from hal.types import BoardError

USB_SERIAL = ("/dev/serial/", "/dev/ttyUSB", "/dev/ttyACM", "/dev/chargerd/tty-")
USB_SERIAL_CLASSES = ("char-ttyACM", "char-ttyUSB")
"""A name is looked up once, when the service starts; an adapter that is pulled out may come back as another node."""

DROPIN_PATH = "/etc/systemd/system/chargerd-control.service.d/board.conf"


def board_dropin(config: BoardConfig) -> str:
    """The text of the drop-in. Raises BoardError where a device is named by host name: names are not looked up here."""
    lines = [
        f"# For {DROPIN_PATH}, written by",
        f"#   chargerd board-dropin --board {config.path}",
        "# Write it again when the board file has changed; then: systemctl daemon-reload",
        "[Service]",
    ]
    lines += [f"DeviceAllow={node} rw" for node in sorted(set(_device_nodes(config)))]
    lines += [f"ReadWritePaths={path}" for path in sorted(set(_written(config)))]
    addresses = sorted(set(_addresses(config)), key=lambda address: (address.version, address))
    if addresses:
        families = sorted({f"AF_INET{6 if address.version == 6 else ''}" for address in addresses})
        lines += [
            "# A network of its own has no way to these meters; the host's is opened to them alone.",
            "PrivateNetwork=no",
            f"RestrictAddressFamilies={' '.join(families)}",
            "IPAddressDeny=any",
            *(f"IPAddressAllow={address}" for address in addresses),
        ]
    return "\n".join(lines) + "\n"


def _device_nodes(config: BoardConfig) -> Iterator[str]:
    """Every setting of a driver that names a device node, and what drivers name themselves."""
    for evse in config.evses:
        for device in evse.devices:
            yield from device.settings.nodes()
            for value in msgspec.structs.asdict(device.settings).values():
                if isinstance(value, str) and value.startswith("/dev/"):
                    yield value
                    if value.startswith(USB_SERIAL):
                        yield from USB_SERIAL_CLASSES


def _written(config: BoardConfig) -> Iterator[str]:
    for evse in config.evses:
        for device in evse.devices:
            yield from device.settings.writes()


def _addresses(config: BoardConfig) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for index, evse in enumerate(config.evses):
        for device in evse.devices:
            host = getattr(device.settings, "host", None)
            if host is None:
                continue
            try:
                yield ipaddress.ip_address(host)
            except ValueError as e:
                place = f"{config.path}: evse[{index}].{device.role}.host"
                raise BoardError(place, f"'{host}' is not an IP address", "give the address, not a name") from e
