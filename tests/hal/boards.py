"""Board files for tests: the ones of the project, and ones written with a change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOARD_CONFIGS = Path(__file__).resolve().parents[2] / "board-configs"

BENCH = BOARD_CONFIGS / "bench.toml"
BENCH_DUAL = BOARD_CONFIGS / "bench-dual.toml"
BENCH_DIRECT = BOARD_CONFIGS / "bench-direct.toml"
BENCH_EVSE_WB = BOARD_CONFIGS / "bench-evse-wb.toml"
BENCH_PHOENIX = BOARD_CONFIGS / "bench-phoenix.toml"
BENCH_METERS = BOARD_CONFIGS / "bench-meters.toml"
BENCH_RAPI = BOARD_CONFIGS / "bench-rapi.toml"
BENCH_YETI = BOARD_CONFIGS / "bench-yeti.toml"


def bench_tables() -> dict[str, Any]:
    """The least simulated board that loads, as tables to be changed."""
    sim = {"driver": "sim"}
    evse = {"max_amps": 16, "phases": 1, "connector": "cType2", "tethered": True, "pilot": sim, "relays": sim}
    return {"board": {"vendor": "V", "model": "M", "serial": "S", "relay_deadman": "simulated"}, "evse": [evse]}


def write(path: Path, tables: Mapping[str, Any]) -> Path:
    """Tables as a TOML file (inline tables throughout: for machines)."""
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in tables.items()))
    return path


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}" = {_toml(part)}' for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)
