"""The two programs outside the slots: what they say, and how they end."""

import json
from pathlib import Path

import msgspec
import pytest

from firmware.__main__ import EXIT_CONFIG, EXIT_FAILED, main
from firmware.disk import Folder
from firmware.place import Place
from firmware.slots import Name
from tests.firmware.kit import good, install, key_list, settings_in, signed_list


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    for name in ("slots", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "firmware-keys").write_bytes(signed_list(key_list(), "root-1").encode())
    told = msgspec.structs.asdict(settings_in(tmp_path))
    path = tmp_path / "firmware.toml"
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in told.items()))
    return path


def test_the_launcher_says_which_slot_runs(settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(settings_in(tmp_path), Folder(tmp_path / "slots"), Folder(tmp_path / "state"), key_list())
    install(made, good(), Name.A)
    assert main(["launcher", "--settings", str(settings)], code=list) == 0
    assert capsys.readouterr().err == "launcher: slot b runs, version 2.0.0\n"
    (tmp_path / "slots/b/tree/lib/empty.py").write_bytes(b"x")
    assert main(["launcher", "--settings", str(settings)], code=list) == EXIT_FAILED
    assert "no slot can be started" in capsys.readouterr().err


def test_the_launcher_refuses_code_that_others_can_write(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "library"
    code.mkdir()
    code.chmod(0o777)
    assert main(["launcher", "--settings", str(settings)], code=lambda: [code]) == EXIT_FAILED
    assert f"writable-code: {code} can be written" in capsys.readouterr().err


def test_settings_that_cannot_be_used_end_it_for_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program in ("launcher", "updater"):
        assert main([program, "--settings", str(tmp_path / "missing.toml")]) == EXIT_CONFIG
        assert "missing.toml: No such file" in capsys.readouterr().err


def test_settings_that_others_can_write_are_not_believed(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings.chmod(0o666)
    for program in ("launcher", "updater"):
        assert main([program, "--settings", str(settings)]) == EXIT_CONFIG
        assert "firmware.toml can be written by others" in capsys.readouterr().err


def test_the_updater_does_not_start_without_its_socket(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert main(["updater", "--settings", str(settings)]) == EXIT_CONFIG
    assert "started without its socket" in capsys.readouterr().err
