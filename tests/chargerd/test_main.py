"""The command line: each command loads its own half only, and what is missing is told in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from chargerd import __main__ as command
from tests.processes.charge import BENCH, ROOT


def loaded_by(*arguments: object) -> set[str]:
    """The modules that are there when a command has run."""
    code = (
        "import sys\nfrom chargerd.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=ROOT,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [[], ["fly"], ["control"], ["safe-state"]])
def test_a_wrong_command_line_ends_with_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage: chargerd" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in ("control", "station", "bench", "safe-state", "board-dropin"))


def test_the_control_process_loads_no_asyncio_no_network_and_nothing_of_ocpp(tmp_path: Path) -> None:
    wrong = tmp_path / "board.toml"
    wrong.write_text("")
    loaded = loaded_by("control", "--board", wrong)
    assert "chargerd.control" in loaded
    assert not {"asyncio", "ssl", "websockets", "sqlite3", "chargerd.ocpp", "chargerd.store"} & loaded


def test_safe_state_opens_the_board_and_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chargerd", "safe-state", "--board", BENCH],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, "chargerd safe-state: contactors open, pilots steady\n")


def test_the_station_loads_no_device_no_web_server_and_no_other_ocpp_package(tmp_path: Path) -> None:
    loaded = loaded_by("station", "--config", tmp_path / "nowhere.toml")
    assert "chargerd.daemon" in loaded
    heavy = {"cryptography", "nicegui", "ocpp", "pymodbus", "serial", "gpiod", "gpiozero"}
    assert not heavy & loaded
    assert not {name for name in loaded if name.startswith("hal.") and name != "hal.types"}


def test_a_bench_without_its_extra_is_told_how_to_get_it() -> None:
    code = "import sys\nsys.modules['ocpp'] = None\nfrom chargerd.__main__ import main\nsys.exit(main(['bench']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30, cwd=ROOT
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "ocpp" in line
    assert "install the bench extra: pip install 'chargerd[bench]'" in line
