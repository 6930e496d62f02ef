"""The one place that knows the version: pyproject.toml through the installed package's metadata."""

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

RELEASED_UTC = datetime(2026, 11, 1, tzinfo=UTC)
"""The software is not older than this, so no clock of a machine that runs it can rightly show less; each release moves
it on.
"""

try:
    VERSION = version("chargerd")
except PackageNotFoundError:
    VERSION = "0+unpackaged"
