"""Files and devices that a process cannot use: which one, which key, what to do, and an exit code for systemd."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.charge import BENCH, ROOT

SITE = """
[csms]
url = "ws://127.0.0.1:9/ocpp"
security_profile = 1
trusted_network = true
[station]
identity = "CS-1"
state_dir = "{folder}"
run_dir = "{folder}"
"""


def chargerd(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chargerd", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=ROOT,
        env=os.environ | environment,
    )


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    "right, wrong, told",
    [
        ("relay_deadman =", "relay_deadmann =", ("unknown key 'relay_deadmann'", "did you mean 'relay_deadman'?")),
        ("phases = 3", 'phases = "three"', ("evse[0].phases: found 'three'", "expected one of: 1, 3")),
        ("[board]", "[board", ("line 3",)),
        ('driver = "meter_modbus"', 'driver = "meter_modbuss"', ("evse[0].meter.driver", "meter_modbus")),
    ],
)
def test_a_wrong_board_file_stops_the_control_process_for_good(
    tmp_path: Path, right: str, wrong: str, told: tuple[str, ...]
) -> None:
    text = BENCH.read_text()
    assert right in text
    board = written(tmp_path / "board.toml", text.replace(right, wrong, 1))
    done = chargerd("control", "--board", board, "--run", tmp_path)
    assert done.returncode == 78
    assert all(part in only_line(done) for part in (str(board), *told)), done.stderr


def test_a_board_whose_device_is_not_there_names_it_and_is_worth_another_try(tmp_path: Path) -> None:
    served, device = "[[plant.meter]]", "[evse.meter]"
    head, tail = BENCH.read_text().split(device)
    assert served in head
    board = written(tmp_path / "board.toml", head + device + tail.replace("{run}/meter-1", "/dev/ttyNOWHERE", 1))
    done = chargerd("control", "--board", board, "--run", tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "evse[0].meter: /dev/ttyNOWHERE is not there" in last
    assert "plug the adapter in, or mend 'port' in the board file" in last


@pytest.mark.parametrize(
    "right, wrong, told",
    [
        ("identity =", "identiti =", ("station.identiti: unknown key", "did you mean 'identity'?")),
        ("security_profile = 1", 'security_profile = "1"', ("csms.security_profile", "int")),
        ("trusted_network = true", "", ("csms.security_profile", "csms.trusted_network = true")),
        ("[station]", "[station", ("not valid TOML",)),
        ("[station]", '[variables]\n"OCPPCommCtrlr.HeartbeatIntervall" = 5\n[station]', None),
    ],
)
def test_a_wrong_site_file_stops_the_station_for_good(
    tmp_path: Path, right: str, wrong: str, told: tuple[str, ...] | None
) -> None:
    text = SITE.format(folder=tmp_path)
    assert right in text
    site = written(tmp_path / "chargerd.toml", text.replace(right, wrong, 1))
    if told is None:
        remember_the_board(tmp_path)
        told = ("OCPPCommCtrlr.HeartbeatIntervall", "OCPPCommCtrlr.HeartbeatInterval")
        done = chargerd("station", "--config", site)
        assert all(part in done.stderr.splitlines()[-1] for part in told), done.stderr
    else:
        done = chargerd("station", "--config", site)
        assert all(part in only_line(done) for part in (str(site), *told)), done.stderr
    assert done.returncode == 78


def remember_the_board(state_dir: Path) -> None:
    """As if the station had run here before."""
    from chargerd.store import Store
    from tests.chargerd.ocpp.building import board

    store = Store(str(state_dir / "station.sqlite"))
    store.put("shell", "board", board())
    store.close()


def test_a_ca_file_without_certificates_stops_the_station_for_good(tmp_path: Path) -> None:
    roots = written(tmp_path / "roots.pem", "nothing\n")
    site = f'[csms]\nurl = "wss://127.0.0.1:9/ocpp"\nca_file = "{roots}"\n'
    done = chargerd("station", "--config", written(tmp_path / "chargerd.toml", site))
    assert done.returncode == 78
    assert f"{roots}: holds no usable PEM certificate" in only_line(done)


def test_a_credential_that_cannot_be_used_stops_the_station_for_good(tmp_path: Path) -> None:
    (tmp_path / "csms-password").write_bytes(b"\xff\xfe")
    site = written(tmp_path / "chargerd.toml", SITE.format(folder=tmp_path))
    done = chargerd("station", "--config", site, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert done.returncode == 78
    assert "csms-password: not UTF-8 text" in only_line(done)


def test_a_store_key_that_could_be_guessed_stops_the_station_for_good_and_is_not_shown(tmp_path: Path) -> None:
    content = "also short"
    (tmp_path / "store-key").write_text(content)
    site = written(tmp_path / "chargerd.toml", SITE.format(folder=tmp_path))
    done = chargerd("station", "--config", site, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert done.returncode == 78
    assert f"credential store-key: {len(content)} characters" in only_line(done)
    assert content not in done.stderr


def test_a_state_directory_that_is_not_there_or_not_writable_is_named_and_worth_another_try(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    text = SITE.format(folder=tmp_path).replace(f'state_dir = "{tmp_path}"', f'state_dir = "{missing}"')
    site = written(tmp_path / "chargerd.toml", text)
    done = chargerd("station", "--config", site)
    assert done.returncode == 75
    assert f"{missing}/station.sqlite: cannot be opened or created" in only_line(done)
    assert "writable for the user of the service" in only_line(done)
    missing.write_text("a file in its place")
    assert chargerd("station", "--config", site).returncode == 75
    missing.unlink()
    missing.mkdir(mode=0o500)
    done = read_only(missing, site) if os.geteuid() == 0 else chargerd("station", "--config", site)
    assert done.returncode == 75
    assert f"{missing}/station.sqlite: is not writable" in only_line(done)


def read_only(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Root may write anywhere but to a file system that is mounted for reading."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
    try:
        return chargerd("station", "--config", site)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_run_directory_that_is_not_there_is_named_and_worth_another_try(tmp_path: Path) -> None:
    run = tmp_path / "run"
    text = SITE.format(folder=tmp_path).replace(f'run_dir = "{tmp_path}"', f'run_dir = "{run}"')
    done = chargerd("station", "--config", written(tmp_path / "chargerd.toml", text))
    assert done.returncode == 75
    assert f"{run}/station.sock" in only_line(done)
