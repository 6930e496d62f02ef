"""Loads the extensions that the site file names, and nothing else: what is not named there is never imported."""

import importlib
import re
from collections.abc import Iterable

from chargerd.config import ConfigError
from chargerd.ocpp.vendor import Vendor

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

MAX_EXTENSIONS = 8
MAX_ID_CHARACTERS = 50
"""The longest instance name in the device model, where each extension has its switch."""


def load_vendors(names: Iterable[str]) -> tuple[Vendor, ...]:
    """One extension for each "module:Class". Raises ConfigError when one cannot be loaded or is none."""
    vendors = tuple(_loaded(name) for name in names)
    ids = [vendor.vendor_id.lower() for vendor in vendors]
    if len(vendors) > MAX_EXTENSIONS:
        raise ConfigError(f"vendors: {len(vendors)} extensions, {MAX_EXTENSIONS} at most")
    if len(set(ids)) < len(ids):
        raise ConfigError(f"vendors: two extensions are of the same vendor ({', '.join(sorted(ids))})")
    return vendors


def _loaded(name: str) -> Vendor:
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f'vendors: {name!r} is no extension; expected "module:Class"')
    module, _, attribute = name.partition(":")
    try:
        vendor = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # code of others may fail in any way while it is loaded
        raise ConfigError(f"vendors: {name} cannot be loaded ({error!r}); see docs/vendors.md") from error
    if not isinstance(vendor, Vendor):
        raise ConfigError(f"vendors: {name} is no chargerd.ocpp.vendor.Vendor; see docs/vendors.md")
    if not 0 < len(vendor.vendor_id) <= MAX_ID_CHARACTERS:
        raise ConfigError(f"vendors: {name}: vendor_id has to have 1 to {MAX_ID_CHARACTERS} characters")
    return vendor
