"""What the station is told once, at construction, by its composition root. Nothing here changes while it lives."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from chargerd.ocpp.effects import ClientCertificate
from chargerd.ocpp.firmware_update import Slots
from hal.types import BoardFacts

PROFILE_PLAIN, PROFILE_TLS, PROFILE_CLIENT_CERTIFICATE = 1, 2, 3
"""Security profiles (A00): a password without encryption, a password over TLS, a client certificate in TLS."""


class NetworkSlot(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one CSMS. `url` without the identity; `security_profile` 1 to 3 (OCPP A00); `message_timeout_s`
    per call.
    """

    url: str
    security_profile: int
    message_timeout_s: int = 30

    def full_url(self, identity: str) -> str:
        """Where to connect: the CSMS's URL and the station's percent-encoded identity (OCPP-J 3.1.1)."""
        return f"{self.url.rstrip('/')}/{percent_encoded(identity)}"


class FirmwareConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the station may be updated. `running`: what the launcher started. `passed_over`: which slots it did not
    start, and why. `revocations_pem`: lists of the manufacturer. `unsigned`: a laboratory takes what nobody signed for
    OCPP (L02).

    A new version is kept after both processes have run for `healthy_s` and a CSMS has accepted the station, or none
    could be reached for `offline_grace_s`; where that does not come within `give_up_s`, the machine is started again.
    """

    running: Slots
    passed_over: tuple[str, ...] = ()
    revocations_pem: tuple[str, ...] = ()
    unsigned: bool = False
    healthy_s: float = 60.0
    offline_grace_s: float = 900.0
    give_up_s: float = 1800.0


class StationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who this station is and what it starts from.

    `identity`: SecurityCtrlr.Identity, at most 48 characters, no colon. `password`: Basic auth password that was
    provisioned, None where there is none. `fuse_amps`: site fuse per phase, shared evenly by all EVSEs. `wake_up`:
    sleeping vehicles may be woken at this site, as far as the board goes. `boot_reason`: the value of OCPP
    BootReasonEnumType that the shell found out. `overrides`: device model values set by the site,
    "Component[instance].Variable[instance]" -> value. `csms_roots_pem`, `manufacturer_roots_pem`: roots that were
    provisioned, one certificate each. `client`: the client certificate that was provisioned (security profile 3).
    `released_utc`: the software is not older than this, so it is later now.
    `vehicle_stack`: something beside the station speaks ISO 15118 with vehicles. `firmware` None: this machine has no
    slots, and is not updated over OCPP.
    """

    identity: str
    board: BoardFacts
    firmware_version: str
    network: NetworkSlot
    password: str | None = None
    fuse_amps: float | None = None
    wake_up: bool = True
    boot_reason: str = "PowerUp"
    overrides: Mapping[str, str] = {}
    csms_roots_pem: tuple[str, ...] = ()
    manufacturer_roots_pem: tuple[str, ...] = ()
    client: ClientCertificate | None = None
    released_utc: datetime | None = None
    vehicle_stack: bool = False
    firmware: FirmwareConfig | None = None

    def __repr__(self) -> str:
        return f"StationConfig({self.identity}, {self.network.url})"


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def percent_encoded(text: str) -> str:
    """`text` as one URL path segment (RFC 3986 section 2)."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
