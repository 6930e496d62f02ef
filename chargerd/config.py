"""Site settings: what this installation wants (`/etc/chargerd/chargerd.toml`). What the hardware is stands in the
board file.

Loaded strictly: an unknown key, a wrong type or an impossible value stops the start with a line that names file, key
and remedy. Secrets never stand in this file; they come as credentials.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from chargerd.codec import CodecError, convert

DEFAULT_STATE_DIR = "/var/lib/chargerd"
DEFAULT_RUN_DIR = "/run/chargerd"
MAX_IDENTITY_CHARS = 48
"""SecurityCtrlr.Identity (device model)."""


class ConfigError(Exception):
    """A settings file cannot be used: where, what is wrong, what to do."""


class CsmsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach the CSMS. `ca_file`: PEM roots for its certificate (None: the system's). `trusted_network`:
    allows profile 1.
    """

    url: str
    security_profile: int = 2
    ca_file: str | None = None
    trusted_network: bool = False
    message_timeout_s: int = 30


class StationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who and where. `identity` None: the board's serial number. `fuse_amps`: per phase, shared evenly by all EVSEs.

    `wake_up` false: sleeping vehicles are left alone at this site, whatever the board could do.
    """

    identity: str | None = None
    fuse_amps: float | None = None
    wake_up: bool = True
    state_dir: str = DEFAULT_STATE_DIR
    run_dir: str = DEFAULT_RUN_DIR


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `variables`: device model values, "Component[instance].Variable[instance]" -> value. `vendors`:
    extensions for DataTransfer, "module:Class".
    """

    csms: CsmsSettings
    station: StationSettings = StationSettings()
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
    if csms.security_profile not in {1, 2}:
        raise ConfigError(f"{place}: csms.security_profile: {csms.security_profile} is not offered; expected 1 or 2")
    if (parts.scheme == "wss") != (csms.security_profile != 1):
        expected = "wss" if csms.security_profile != 1 else "ws"
        raise ConfigError(f"{place}: csms.url: security profile {csms.security_profile} needs {expected}:// (OCPP A00)")
    if csms.security_profile == 1 and not csms.trusted_network:
        raise ConfigError(
            f"{place}: csms.security_profile: 1 sends the password unencrypted; use 2, or where the network is a VPN or"
            " a closed wire set csms.trusted_network = true (A00.FR.201)"
        )
    if not 1 <= csms.message_timeout_s <= 600:
        raise ConfigError(f"{place}: csms.message_timeout_s: {csms.message_timeout_s} is outside 1 to 600")
    identity = site.station.identity
    if identity is not None and (not 0 < len(identity) <= MAX_IDENTITY_CHARS or ":" in identity):
        raise ConfigError(f"{place}: station.identity: 1 to {MAX_IDENTITY_CHARS} characters without a colon expected")
    if site.station.fuse_amps is not None and not site.station.fuse_amps > 0:
        raise ConfigError(f"{place}: station.fuse_amps: {site.station.fuse_amps} is not above 0")


_KNOWN: dict[str, tuple[str, ...]] = {
    "": SiteSettings.__struct_fields__,
    "csms": CsmsSettings.__struct_fields__,
    "station": StationSettings.__struct_fields__,
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
