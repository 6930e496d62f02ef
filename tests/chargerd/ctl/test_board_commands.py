"""`chargerctl board ...` as it is typed: exit codes, one line for each thing that is wrong, never on a live station."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chargerd.channel import ControlEnd
from chargerd.ctl.commands import main
from tests.hal.boards import BENCH, BENCH_DUAL, BOARD_CONFIGS, bench_tables, write

ROOT = Path(__file__).resolve().parents[3]


def check(tmp_path: Path, *words: object) -> int:
    return main(["board", "check", "--run", str(tmp_path / "nobody"), *map(str, words)])


@pytest.mark.parametrize("path", sorted(BOARD_CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_board_file_that_comes_along_is_right(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, path) == 0
    assert "EVSE 1  " in capsys.readouterr().out


@pytest.mark.parametrize(
    "file, complaint", [("README.md", "README.md: line 3"), ("nix.toml", "nix.toml: cannot read the board file")]
)
def test_what_is_no_board_file_is_one_line_and_exit_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: str, complaint: str
) -> None:
    monkeypatch.chdir(ROOT)
    assert check(tmp_path, file) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("chargerctl: ")
    assert complaint in said.err
    assert said.err.count("\n") == 1


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = bench_tables()
    tables["board"]["vendor"] = ""
    tables["evse"][0] |= {"max_amps": 100, "lock": {"driver": "sim", "speed": 3}}
    assert check(tmp_path, write(tmp_path / "board.toml", tables)) == 78
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("board.toml: ")[2].partition(";")[0] for line in lines] == [
        "board.vendor: found ''",
        "evse[0].lock: unknown key 'speed'",
        "evse[0].max_amps: found 100",
    ]


def test_a_picture_is_written_where_it_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, BENCH_DUAL, "--svg", tmp_path / "board.svg") == 0
    assert (tmp_path / "board.svg").read_text().startswith("<svg")
    assert check(tmp_path, BENCH, "--svg", tmp_path / "no" / "board.svg") == 1
    assert "board.svg: cannot be written (No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "bring-up"])
def test_a_live_station_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    control = ControlEnd(tmp_path)
    assert main(["board", command, str(BENCH), "--run", str(tmp_path)]) == 75
    assert "a control process runs the station; stop it first (systemctl stop chargerd-control)" in (
        capsys.readouterr().err
    )
    control.close()


@pytest.mark.parametrize("command", ["check", "bring-up"])
def test_a_run_directory_that_cannot_be_used_might_hide_a_live_station(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "control.sock.lock").mkdir()
    assert main(["board", command, str(BENCH), "--run", str(tmp_path)]) == 75
    assert "cannot tell whether a control process runs" in capsys.readouterr().err


def bring_up(tmp_path: Path, *words: object) -> int:
    report = ["--run", str(tmp_path / "nobody"), "--report", str(tmp_path / "report")]
    return main(["board", "bring-up", *report, *map(str, words)])


def answers(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "answers"
    path.write_text(text)
    return path


def test_a_bring_up_may_have_its_answers_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = answers(tmp_path, "y # let it move\n")
    assert bring_up(tmp_path, BENCH, "--only", "lock", "--answers", file) == 0
    assert "3 ok, 0 failed, 0 skipped" in capsys.readouterr().out
    assert "| socket" not in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("typed, why", [("", "no more answers"), ("y\nx\n", "'x' is none of the answers y, n, s, q")])
def test_a_bring_up_without_answers_ends_and_reports(tmp_path: Path, typed: str, why: str) -> None:
    command = [sys.executable, "-m", "chargerd.ctl", "board", "bring-up", str(BENCH), "--only", "lock", "--only"]
    command += ["thermometer", "--run", str(tmp_path), "--report", str(tmp_path / "report")]
    ended = subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert why in ended.stdout
    assert f"{why}." in (tmp_path / "report.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "report.json"}


def test_a_step_that_fails_makes_it_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = answers(tmp_path, "n\n")
    assert bring_up(tmp_path, BENCH, "--only", "thermometer", "--answers", file) == 1
    assert "2 ok, 1 failed, 0 skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--only", "metre"], "--only metre: did you mean 'meter'? roles: pilot, inputs"),
        (["--answers", "nix"], "nix: cannot be read (No such file or directory)"),
        (["--only", "thermometer", "--report", "no/where"], "cannot write the report (No such file or directory)"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert bring_up(tmp_path, BENCH, "--answers", answers(tmp_path, "y\n"), *words) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_a_board_that_is_not_this_one_is_exit_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = bench_tables()
    del tables["board"]["serial"]
    tables["board"]["serial_file"] = str(tmp_path / "nix")
    path = write(tmp_path / "board.toml", tables)
    assert bring_up(tmp_path, path, "--answers", os.devnull) == 78
    assert "board.serial_file: cannot read" in capsys.readouterr().err


def test_the_other_commands_load_none_of_this() -> None:
    code = "import sys, chargerd.ctl; print(*(name for name in sys.modules if name.startswith('hal.board')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == []
