"""docs/porting.md is true: its board file grows as it says, its driver keeps the contract, its settings load."""

import contextlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chargerd.config import load_site
from chargerd.ctl.commands import main
from hal.board_file import BACKENDS, load_board
from hal.types import DeviceGarbled, DeviceMissing, DeviceSilent, EvseFacts
from tests.contract import stands, test_thermometer
from tests.hal.drivers.ports import Port, lines_of
from tests.hal.plants import World

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "porting.md").read_text()

BLOCKS = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
"""Language, tag and text of each block, in the order of the guide."""


def block(language: str, tag: str) -> str:
    (text,) = [text for found, tagged, text in BLOCKS if (found, tagged) == (language, tag)]
    return str(text)


# ---- the board file ----


def steps() -> list[tuple[str, str]]:
    """The board file as it has grown, and what the guide shows for it."""
    file, found = "", []
    for language, tag, text in BLOCKS:
        if (language, tag) == ("toml", ""):
            file += text + "\n"
        elif language == "console" and "board check" in text:
            found.append((file, text.partition("board check my-board.toml\n")[2]))
    return found


@pytest.mark.parametrize("number", range(len(steps())))
def test_the_board_file_is_answered_as_the_guide_shows(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown lines may end before those of the answer do, and lines may be left out between them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    file, shown = steps()[number]
    Path("my-board.toml").write_text(file)
    main(["board", "check", "--run", "nobody", "my-board.toml"])
    said = capsys.readouterr()
    answer = iter((said.out + said.err).splitlines())
    for line in filter(None, shown.splitlines()):
        assert any(told.startswith(line.removesuffix("...")) for told in answer), line


def test_the_guide_grows_a_board_that_is_right(tmp_path: Path) -> None:
    assert len(steps()) >= 4
    (tmp_path / "my-board.toml").write_text(steps()[-1][0])
    assert load_board(tmp_path / "my-board.toml").model == "Wallbox One"


def test_the_settings_of_the_first_charge_load(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(block("toml", "site"))
    assert load_site(tmp_path / "site.toml").station.fuse_amps == 10


def test_every_file_that_the_guide_names_is_there() -> None:
    for name in re.findall(r"\]\((?:\.\./)?([\w/.-]+?)(?:#[\w-]+)?\)", GUIDE):
        assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), name
    for name in re.findall(r"cp (systemd/\S+)", GUIDE):
        assert list(ROOT.glob(name)), name


# ---- the driver ----


def load(path: Path, name: str, text: str) -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ModuleType]:
    """The driver of the guide, in its place."""
    name = "hal.drivers.thermo_serial"
    yield load(tmp_path / "thermo_serial.py", name, block("python", "driver"))
    del sys.modules[name]


@pytest.fixture
def stand(driver: ModuleType, tmp_path: Path) -> Iterator[Callable[[World], AbstractContextManager[Any]]]:
    """The stand of the guide."""
    name = "tests.contract.stand_of_the_guide"
    module = load(tmp_path / "stand.py", name, block("python", "stand"))
    yield module.serial_thermometer
    del sys.modules[name]


CONTRACT = [name for name in vars(test_thermometer) if name.startswith("test_")]


@pytest.mark.parametrize("name", CONTRACT)
def test_the_driver_of_the_guide_keeps_the_contract(
    name: str, stand: Callable[[World], AbstractContextManager[Any]]
) -> None:
    world = World(EvseFacts(max_amps=32, phases=3), noise=1.0)
    with stand(world) as device:
        getattr(test_thermometer, name)(stands.Stand(device, world.evse.facts, world.monotonic, world.wait))


def test_there_is_a_contract_to_keep() -> None:
    assert CONTRACT


@pytest.mark.parametrize(
    "answer, kind",
    [
        ("", DeviceSilent),
        ("T=23.50", DeviceGarbled),
        ("T=nan\n", DeviceGarbled),
        ("T=999\n", DeviceGarbled),
        ("23.50\n", DeviceGarbled),
        ("\x7f\n", DeviceGarbled),
        ("T=" + "9" * 100, DeviceGarbled),
    ],
)
def test_the_driver_of_the_guide_fails_as_a_driver_should(driver: ModuleType, answer: str, kind: type) -> None:
    with Port(lines_of(lambda _: answer)) as port:
        device = driver.SerialThermometer(driver.Settings(port=port.path), World().slot("thermometer"))
        with contextlib.closing(device), pytest.raises(kind):
            device.read()


def test_the_driver_of_the_guide_misses_its_port(driver: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing, match="nix is not there; plug it in"):
        driver.SerialThermometer(driver.Settings(port=str(tmp_path / "nix")), World().slot("thermometer"))
    link = tmp_path / "sensor"
    with Port(lines_of(lambda _: "T=20.00\n")) as port:
        link.symlink_to(port.path)
        device = driver.SerialThermometer(driver.Settings(port=str(link)), World().slot("thermometer"))
        assert device.read().celsius == 20.0
    with contextlib.closing(device), pytest.raises(DeviceMissing, match="cannot be used"):
        device.read()


def test_a_board_may_name_the_driver_once_its_line_is_in_the_table(
    driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, target = re.findall(r'"([^"]+)"', block("python", "backend"))
    monkeypatch.setitem(BACKENDS["thermometer"], name, target)
    (tmp_path / "my-board.toml").write_text(steps()[-1][0] + block("toml", "driver"))
    (evse,) = load_board(tmp_path / "my-board.toml").evses
    assert {device.role: device.driver for device in evse.devices}["thermometer"] == "thermo_serial"
    assert evse.facts.has_thermometer


def test_the_code_of_the_guide_is_in_the_form_of_the_project(tmp_path: Path) -> None:
    for tag in ("driver", "stand"):
        (tmp_path / f"{tag}.py").write_text(block("python", tag))
    ruff = [sys.executable, "-m", "ruff", "--config", str(ROOT / "pyproject.toml"), "--quiet"]
    for command in (["format", "--diff"], ["check", "--ignore", "D100,INP001"]):
        run = subprocess.run(
            [*ruff[:3], command[0], *ruff[3:], *command[1:], str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
