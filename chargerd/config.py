"""Site settings: what this installation wants (`/etc/chargerd/chargerd.toml`). What the hardware is stands in the
board file.

Loaded strictly: an unknown key, a wrong type or an impossible value stops the start with a line that names file, key
and remedy. Secrets never stand in this file; they come as credentials.
"""

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from chargerd.codec import CodecError, convert

DEFAULT_STATE_DIR = "/var/lib/chargerd"
DEFAULT_RUN_DIR = "/run/chargerd"
DEFAULT_TPM = "device:/dev/tpmrm0"
DEFAULT_FIRMWARE_SETTINGS = "/etc/chargerd/firmware.toml"
DEFAULT_UPDATER = "/run/chargerd-updater.sock"
MAX_IDENTITY_CHARS = 48
"""SecurityCtrlr.Identity (device model)."""

PASSWORD_CHARS = range(16, 65)
"""How long a password may be (A00.FR.205 as corrected)."""

EXAMPLE_PASSWORDS = frozenset(
    {
        "0123456789abcdef",
        "1234567890123456",
        "changemechangeme",
        "correct horse battery staple",
        "deadbeefdeadbeef",
        "passwordpassword",
        "sixteen-or-more-characters",
    }
)
"""They stand in manuals, this project's among them, and so in every list of those who try passwords."""

SCHEMES = {1: "ws", 2: "wss", 3: "wss"}
"""Security profiles and how their URLs begin (A00)."""


class ConfigError(Exception):
    """A settings file cannot be used: where, what is wrong, what to do."""


class CsmsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach the CSMS. `security_profile`: 1 a password without encryption, 2 a password over TLS, 3 a client
    certificate. `ca_file`: PEM roots for its certificate (None: the system's). `crl_file`: PEM revocation lists of all
    authorities of the CSMS (None: none are looked at). `trusted_network`: allows profile 1.
    """

    url: str
    security_profile: int = 2
    ca_file: str | None = None
    crl_file: str | None = None
    trusted_network: bool = False
    message_timeout_s: int = 30


class StationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who and where. `identity` None: the board's serial number. `fuse_amps`: per phase, shared evenly by all EVSEs.

    `wake_up` false: sleeping vehicles are left alone at this site, whatever the board could do. `vehicle_stack`: a
    program beside the station speaks ISO 15118 with the vehicles (docs/vehicle-stack.md).
    """

    identity: str | None = None
    fuse_amps: float | None = None
    wake_up: bool = True
    vehicle_stack: bool = False
    state_dir: str = DEFAULT_STATE_DIR
    run_dir: str = DEFAULT_RUN_DIR


class IdentitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where new private keys live: in files, or in the TPM that `tpm` names: "device:PATH" (the kernel's resource
    manager), or for tests "swtpm:host=ADDRESS,port=NUMBER".
    """

    keys: Literal["file", "tpm"] = "file"
    tpm: str = DEFAULT_TPM


class FirmwareSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the station is updated over OCPP. `settings`: the file of a device with slots (docs/firmware.md); no such
    file: it has none, and is not updated. `updater`: the socket of the updater. `crl_file`: PEM revocation lists of the
    manufacturer (None: none are looked at). `allow_unsigned`: for a laboratory, updates without OCPP's signature (L02).

    `healthy_s`, `offline_grace_s`: how long a new version has to run well before it is kept, and how long it waits for
    a CSMS at most.
    """

    settings: str = DEFAULT_FIRMWARE_SETTINGS
    updater: str = DEFAULT_UPDATER
    crl_file: str | None = None
    allow_unsigned: bool = False
    healthy_s: float = 60.0
    offline_grace_s: float = 900.0


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `variables`: device model values, "Component[instance].Variable[instance]" -> value. `vendors`:
    extensions for DataTransfer, "module:Class".
    """

    csms: CsmsSettings
    station: StationSettings = StationSettings()
    identity: IdentitySettings = IdentitySettings()
    firmware: FirmwareSettings = FirmwareSettings()
    variables: dict[str, str | int | float | bool] = {}
    vendors: tuple[str, ...] = ()

    def overrides(self) -> dict[str, str]:
        """`variables` as the device model writes values: booleans in lower case, everything as text."""
        return {key: _as_text(value) for key, value in self.variables.items()}


def load_site(path: Path) -> SiteSettings:
    """Read and check a settings file. Raises ConfigError."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; write one (see docs) or name another with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check its permissions and encoding (UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error
    _check_keys(path, document)
    try:
        site = convert(SiteSettings, document)
    except CodecError as error:
        raise ConfigError(f"{path}: {error.path.removeprefix('$.')}: {error.why}") from error
    check_site(site, str(path))
    return site


def check_site(site: SiteSettings, place: str) -> None:
    """Refuse settings that are well-formed but cannot work or are not safe. Raises ConfigError naming `place`."""
    csms = site.csms
    parts = urlsplit(csms.url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError(f"{place}: csms.url: {csms.url!r} is no WebSocket address; expected ws://… or wss://…")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"{place}: csms.url: no password, query or fragment belongs here; the password is a credential"
        )
    expected = SCHEMES.get(csms.security_profile)
    if expected is None:
        raise ConfigError(f"{place}: csms.security_profile: {csms.security_profile} does not exist; expected 1, 2 or 3")
    if parts.scheme != expected:
        raise ConfigError(f"{place}: csms.url: security profile {csms.security_profile} needs {expected}:// (OCPP A00)")
    if csms.security_profile == 1 and not csms.trusted_network:
        raise ConfigError(
            f"{place}: csms.security_profile: 1 sends the password unencrypted; use 2 or 3, or where the network is a"
            " VPN or a closed wire set csms.trusted_network = true (A00.FR.201)"
        )
    if not 1 <= csms.message_timeout_s <= 600:
        raise ConfigError(f"{place}: csms.message_timeout_s: {csms.message_timeout_s} is outside 1 to 600")
    if any(key.lower() == "securityctrlr.basicauthpassword" for key in site.variables):
        raise ConfigError(
            f"{place}: variables: BasicAuthPassword is a secret, and this file is none; chargerctl provision sets it"
        )
    identity = site.station.identity
    if identity is not None and (not 0 < len(identity) <= MAX_IDENTITY_CHARS or ":" in identity):
        raise ConfigError(f"{place}: station.identity: 1 to {MAX_IDENTITY_CHARS} characters without a colon expected")
    if not _TPM.fullmatch(site.identity.tpm):
        raise ConfigError(
            f'{place}: identity.tpm: {site.identity.tpm!r} is no TPM; expected "device:/dev/…" or "swtpm:host=…,port=…"'
        )
    if min(site.firmware.healthy_s, site.firmware.offline_grace_s) < 0:
        raise ConfigError(f"{place}: firmware: healthy_s and offline_grace_s are not below 0")
    if site.station.fuse_amps is not None and not site.station.fuse_amps > 0:
        raise ConfigError(f"{place}: station.fuse_amps: {site.station.fuse_amps} is not above 0")


def check_password(password: str, place: str, *, examples: bool = False) -> None:
    """Refuse a provisioned password that somebody could guess (A00.FR.205). `examples`: those of manuals will do, for a
    bench. Raises ConfigError naming `place`, which never repeats the password.
    """
    remedy = "have one made with chargerctl provision"
    if len(password) not in PASSWORD_CHARS:
        raise ConfigError(
            f"{place}: the password is {len(password)} characters long,"
            f" {PASSWORD_CHARS.start} to {PASSWORD_CHARS.stop - 1} are needed; {remedy}"
        )
    if not examples and password.lower() in EXAMPLE_PASSWORDS:
        raise ConfigError(f"{place}: the password is one that stands in manuals; {remedy}")


_TPM = re.compile(r"device:/[^,:]+|swtpm:host=[^,:=]+,port=[0-9]{1,5}")

_KNOWN: dict[str, tuple[str, ...]] = {
    "": SiteSettings.__struct_fields__,
    "csms": CsmsSettings.__struct_fields__,
    "station": StationSettings.__struct_fields__,
    "identity": IdentitySettings.__struct_fields__,
    "firmware": FirmwareSettings.__struct_fields__,
}


def _check_keys(path: Path, document: dict[str, object]) -> None:
    """An unknown key is named together with the nearest known one, before the types are looked at."""
    tables = {"": document} | {name: table for name, table in document.items() if isinstance(table, dict)}
    for name, table in tables.items():
        known = _KNOWN.get(name)
        if known is None:
            continue
        for key in table:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                place = f"{name}.{key}" if name else key
                raise ConfigError(f"{path}: {place}: unknown key{hint} (known here: {', '.join(known)})")


def _as_text(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
