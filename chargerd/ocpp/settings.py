"""What the station is told once, at construction, by its composition root. Nothing here changes while it lives."""

from collections.abc import Mapping

import msgspec

from hal.types import BoardFacts


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


class StationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who this station is and what it starts from.

    `identity`: SecurityCtrlr.Identity, at most 48 characters, no colon. `password`: initial Basic auth password, None
    where the security profile needs none. `fuse_amps`: site fuse per phase, shared evenly by all EVSEs. `wake_up`:
    sleeping vehicles may be woken at this site, as far as the board goes. `boot_reason`: the value of OCPP
    BootReasonEnumType that the shell found out. `overrides`: device model values set by the site,
    "Component[instance].Variable[instance]" -> value.
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

    def __repr__(self) -> str:
        return f"StationConfig({self.identity}, {self.network.url})"


_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def percent_encoded(text: str) -> str:
    """`text` as one URL path segment (RFC 3986 section 2)."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
