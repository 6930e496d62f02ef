"""The one place that knows the version: pyproject.toml through the installed package's metadata."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("chargerd")
except PackageNotFoundError:
    VERSION = "0+unpackaged"
