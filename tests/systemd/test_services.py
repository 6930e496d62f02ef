"""Both services under a real systemd: started, killed, hung, stopped and looked into; the units' promises are seen.

The control process drives the simulated board; its plant is asked through the desk, from outside of the machine.
"""

import os
import shutil
import time
from collections.abc import Iterator
from functools import partial

import pytest

from chargerd.channel import STATION_SOCKET
from tests.chargerd.charger import BENCH, Bystander
from tests.systemd.machine import Machine, installed, wait_until, why_not_here

CONTROL, STATION = "chargerd-control.service", "chargerd.service"

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]

PSEUDO_DEVICES = {
    "char", "core", "fd", "full", "hugepages", "initctl", "log", "mqueue", "null", "ptmx", "pts", "random", "shm",
    "stderr", "stdin", "stdout", "tty", "urandom", "zero",
}  # fmt: skip


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with both services installed and not yet started."""
    folder = tmp_path_factory.mktemp("machine")
    folder.chmod(0o755)
    (folder / "etc").mkdir()
    shutil.copy(BENCH, folder / "etc" / "board.toml")
    (folder / "etc" / "chargerd.toml").write_text('[csms]\nurl = "wss://csms.invalid/ocpp"\n')
    (folder / "desk.conf").write_text(
        "[Service]\nExecStart=\nExecStart=/opt/chargerd/bin/chargerd control --board /etc/chargerd/board.toml "
        "--run /run/chargerd --desk /run/chargerd/desk.sock\n"
    )
    (folder / "password").write_text("correct horse battery\n")
    binds = installed(folder) | {
        folder / "etc": "/etc/chargerd",
        folder / "desk.conf": f"/etc/systemd/system/{CONTROL}.d/desk.conf",
        folder / "password": "/etc/credstore/chargerd.csms-password",
    }
    with Machine(f"chargerd-{os.getpid()}", binds, folder / "console.log") as machine:
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "chargerd.conf")
        yield machine


@pytest.fixture
def control(machine: Machine) -> Iterator[Bystander]:
    """The control service freshly started, with the test in the station's place."""
    machine.run("systemctl", "stop", STATION, CONTROL)
    machine.run("systemctl", "start", CONTROL)
    control_uid = int(machine.run("id", "-u", "chargerd-control"))
    with Bystander(machine.root / "run" / "chargerd", frozenset({0, control_uid})) as bystander:
        yield bystander
    machine.run("systemctl", "stop", CONTROL)


@pytest.fixture
def both(machine: Machine) -> Machine:
    """Both services running."""
    machine.run("systemctl", "start", CONTROL, STATION)
    return machine


def messages(machine: Machine, unit: str) -> list[str]:
    """What the unit's processes and systemd about the unit have said so far."""
    return [entry["MESSAGE"] for entry in machine.journal("--unit", unit)]


def any_message(machine: Machine, unit: str, wanted: str) -> bool:
    return any(wanted in text for text in messages(machine, unit))


def restarted(machine: Machine, unit: str, old_pid: int, bound_s: float) -> float:
    """Wait until the unit runs again in a new process; the seconds it took."""
    return wait_until(
        lambda: machine.main_pid(unit) not in {0, old_pid} and machine.show(unit, "ActiveState") == "active",
        bound_s,
        lambda: "\n".join(messages(machine, unit)[-20:]),
    )


def in_machine(machine: Machine, code: str, *values: object) -> str:
    return machine.run("python3", "-c", f"import os, pathlib, sys\n{code}", *map(str, values)).strip()


def as_user(machine: Machine, user: str, *command: str) -> str:
    """What a command prints that runs as `user` with all its groups; nothing where it is refused."""
    return machine.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command, check=False)


# ---------------------------------------------------------------- control


def test_control_is_ready_only_after_the_safe_state_and_one_turn_of_the_loop(
    machine: Machine, control: Bystander
) -> None:
    control.wait_for(lambda status: status.loop.ticks > 0)
    said = messages(machine, CONTROL)
    asserted = max(index for index, text in enumerate(said) if "safe state asserted" in text)
    started = max(index for index, text in enumerate(said) if text.startswith("Started"))
    assert asserted < started
    assert machine.show(CONTROL, "StatusText") == "Bench BENCH-0001, 1 EVSE"


def test_control_runs_fifo_without_a_privilege(machine: Machine, control: Bystander) -> None:
    control.wait_for(lambda status: status.loop.ticks > 0)
    pid = machine.main_pid(CONTROL)
    code = "pid = int(sys.argv[1]); print(os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority)"
    assert in_machine(machine, code, pid) == f"{os.SCHED_FIFO} 40"
    status = in_machine(machine, "print(pathlib.Path('/proc', sys.argv[1], 'status').read_text())", pid)
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {name: int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == dict.fromkeys(
        ("CapPrm", "CapEff", "CapBnd", "CapAmb"), 0
    )
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    assert fields["Uid"].split()[0] == machine.run("id", "-u", "chargerd-control").strip()


def test_control_has_no_network_but_lo(machine: Machine, control: Bystander) -> None:
    control.wait_for(lambda status: status.loop.ticks > 0)
    links = machine.run("nsenter", "-t", str(machine.main_pid(CONTROL)), "-n", "ip", "-brief", "link")
    assert [line.split()[0] for line in links.splitlines()] == ["lo"]


def test_sigkill_in_mid_charge_asserts_the_safe_state_and_starts_again(machine: Machine, control: Bystander) -> None:
    control.charge()
    assert control.contacts_closed()
    old_pid, run_id, said = machine.main_pid(CONTROL), control.status.run_id, len(messages(machine, CONTROL))
    machine.kill(CONTROL, "SIGKILL")
    assert restarted(machine, CONTROL, old_pid, 10.0) < 5.0
    since = messages(machine, CONTROL)[said:]
    opened = since.index("chargerd safe-state: contactors open, pilots steady")
    assert opened < next(index for index, text in enumerate(since) if "safe state asserted" in text)
    control.wait_for(lambda status: status.run_id != run_id and status.evses[0].relay_closed is False)


def test_a_hung_control_process_is_ended_by_the_watchdog_and_started_again(
    machine: Machine, control: Bystander
) -> None:
    control.charge()
    old_pid, said = machine.main_pid(CONTROL), len(messages(machine, CONTROL))
    machine.kill(CONTROL, "SIGSTOP")
    took_s = restarted(machine, CONTROL, old_pid, 15.0)
    assert 1.0 < took_s < 8.0
    since = messages(machine, CONTROL)[said:]
    assert any("Watchdog timeout (limit 2s)!" in text for text in since)
    assert "chargerd safe-state: contactors open, pilots steady" in since
    control.wait_for(lambda status: status.evses[0].relay_closed is False)


def test_a_hang_is_told_by_a_traceback_in_the_journal(machine: Machine, control: Bystander) -> None:
    control.wait_for(lambda status: status.loop.ticks > 0)
    old_pid = machine.main_pid(CONTROL)
    machine.kill(CONTROL, "SIGABRT")
    restarted(machine, CONTROL, old_pid, 10.0)
    assert any("Fatal Python error: Aborted" in text for text in messages(machine, CONTROL))


def test_a_stop_in_mid_charge_is_soft_and_safe(machine: Machine, control: Bystander) -> None:
    control.charge()
    said = len(messages(machine, CONTROL))
    machine.run("systemctl", "stop", CONTROL)
    since = messages(machine, CONTROL)[said:]
    order = ("control: stopping (SIGTERM)", "control: contactors told to open", "chargerd safe-state: contactors open")
    found = [next(index for index, text in enumerate(since) if text.startswith(wanted)) for wanted in order]
    assert found == sorted(found)
    assert machine.show(CONTROL, "Result") == "success"


def test_journal_entries_carry_fields(machine: Machine, control: Bystander) -> None:
    control.wait_for(lambda status: status.loop.ticks > 0)
    entry = machine.journal("CHARGERD_AREA=control")[-1]
    assert entry["SYSLOG_IDENTIFIER"] == "chargerd-control"
    assert (entry["PRIORITY"], entry["_SYSTEMD_UNIT"]) == ("6", CONTROL)


# ---------------------------------------------------------------- station


def test_the_station_sees_no_device_of_the_board(both: Machine) -> None:
    pid = both.main_pid(STATION)
    seen = in_machine(both, "print(*os.listdir(f'/proc/{sys.argv[1]}/root/dev'))", pid).split()
    assert set(seen) <= PSEUDO_DEVICES


def test_the_station_may_not_reach_into_the_control_process(both: Machine) -> None:
    control, station = both.main_pid(CONTROL), both.main_pid(STATION)
    uid = "print(pathlib.Path('/proc', sys.argv[1], 'status').read_text().split('Uid:')[1].split()[0])"
    assert in_machine(both, uid, control) != in_machine(both, uid, station)
    run_dir = both.root / "run" / "chargerd"
    owner = (run_dir / "control.sock").stat().st_uid
    assert owner != (run_dir / STATION_SOCKET).stat().st_uid
    assert run_dir.stat().st_mode & 0o7777 == 0o3771
    as_user(both, "chargerd", "rm", "-f", "/run/chargerd/control.sock")
    assert (run_dir / "control.sock").exists()


def test_the_station_gets_its_password_as_a_credential_that_others_cannot_read(both: Machine) -> None:
    path = f"/run/credentials/{STATION}/csms-password"
    assert both.run("cat", path) == "correct horse battery\n"
    assert as_user(both, "chargerd", "cat", path) == "correct horse battery\n"
    assert as_user(both, "chargerd-control", "cat", path) == ""


def test_people_may_do_what_their_group_allows_and_are_told_how_to_get_the_rest(both: Machine) -> None:
    console = both.root / "run" / "chargerd" / "station.console"
    wait_until(console.exists, 10.0, lambda: "")
    for name, group in (("vera", "users"), ("rita", "chargerd-read"), ("otto", "chargerd-operator")):
        both.run("useradd", "--groups", group, name)

    def ctl(user: str, *words: str) -> str:
        return both.run(
            "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
            "sh", "-c", '"$@" 2>&1', "sh", "/opt/chargerd/bin/chargerctl", *words, check=False,
        )  # fmt: skip

    assert 'usermod -aG chargerd-read "$USER"' in ctl("vera", "status", "--once")
    assert "as BENCH-0001: not connected" in ctl("rita", "status", "--once")
    assert 'usermod -aG chargerd-operator "$USER"' in ctl("rita", "limit", "1", "10")
    assert "at most 10 A" in ctl("otto", "limit", "1", "10")
    assert "as BENCH-0001: not connected" in ctl("otto", "status", "--once")
    assert "at most 12 A" in ctl("root", "limit", "1", "12")
    uid = both.run("id", "-u", "rita").strip()
    assert any(f"user_limit refused to user {uid}" in text for text in messages(both, STATION))


def test_both_have_given_up_programs_and_listeners_under_their_sandbox(both: Machine) -> None:
    for unit in (CONTROL, STATION):
        is_said = partial(any_message, both, unit, "starting programs and listening are given up")
        wait_until(is_said, 10.0, lambda: "it was not said")


def test_encrypted_credentials_come_to_the_station_and_are_nowhere_else_in_clear(both: Machine) -> None:
    key, password = "0123456789abcdef" * 4 + "k3y", "an encrypted pass phrase"
    both.run("mkdir", "-p", "/etc/credstore.encrypted", f"/etc/systemd/system/{STATION}.d")
    for name, secret in (("store-key", key), ("csms-password", password)):
        seal = f"printf %s '{secret}' | systemd-creds encrypt --with-key=host --name={name} - "
        both.run("sh", "-c", f"{seal} /etc/credstore.encrypted/chargerd.{name}")
        assert secret not in both.run("cat", f"/etc/credstore.encrypted/chargerd.{name}")
    dropin = f"/etc/systemd/system/{STATION}.d/encrypted-credentials.conf"
    both.run("cp", "/opt/systemd/encrypted-credentials.conf", dropin)
    both.run("systemctl", "daemon-reload")
    said = len(messages(both, STATION))
    both.run("systemctl", "restart", STATION)
    try:
        assert both.run("cat", f"/run/credentials/{STATION}/store-key") == key
        assert both.run("cat", f"/run/credentials/{STATION}/csms-password") == password
        assert as_user(both, "chargerd-control", "cat", f"/run/credentials/{STATION}/store-key") == ""
        assert both.show(STATION, "ActiveState") == "active"
        assert not [text for text in messages(both, STATION)[said:] if "no credential store-key" in text]
    finally:
        both.run("rm", dropin)
        both.run("systemctl", "daemon-reload")
        both.run("systemctl", "restart", STATION)


def test_the_state_of_the_station_is_its_own(both: Machine) -> None:
    state = both.root / "var" / "lib" / "chargerd"
    assert state.stat().st_mode & 0o777 == 0o700
    assert list(state.glob("*.sqlite"))


def test_a_killed_or_hung_station_is_started_again_and_control_does_not_notice(both: Machine) -> None:
    control_pid, old_pid = both.main_pid(CONTROL), both.main_pid(STATION)
    both.kill(STATION, "SIGKILL")
    assert restarted(both, STATION, old_pid, 15.0) < 6.0
    old_pid, said = both.main_pid(STATION), len(messages(both, STATION))
    both.kill(STATION, "SIGSTOP")
    restarted(both, STATION, old_pid, 30.0)
    assert any("Watchdog timeout (limit 10s)!" in text for text in messages(both, STATION)[said:])
    assert both.main_pid(CONTROL) == control_pid


def test_the_station_goes_on_while_control_is_killed(both: Machine) -> None:
    old_pid, station_pid = both.main_pid(CONTROL), both.main_pid(STATION)
    both.kill(CONTROL, "SIGKILL")
    restarted(both, CONTROL, old_pid, 10.0)
    time.sleep(2.0)  # long enough for a station that minds to end
    assert both.main_pid(STATION) == station_pid
    assert both.show(STATION, "ActiveState") == "active"


def test_a_wrong_board_file_stops_the_unit_with_one_clear_line(machine: Machine) -> None:
    machine.run("systemctl", "stop", STATION, CONTROL)
    machine.run("mkdir", "-p", f"/run/systemd/system/{CONTROL}.d")
    dropin = machine.root / "run" / "systemd" / "system" / f"{CONTROL}.d" / "zz-wrong.conf"
    dropin.write_text(
        "[Service]\nExecStart=\nExecStart=/opt/chargerd/bin/chargerd control --board /etc/chargerd/chargerd.toml\n"
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", CONTROL, check=False)
    assert machine.show(CONTROL, "ExecMainStatus") == "78"
    assert machine.show(CONTROL, "ActiveState") == "failed"
    assert any(
        text.startswith("chargerd control: /etc/chargerd/chargerd.toml: ") for text in messages(machine, CONTROL)
    )
    dropin.unlink()
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", CONTROL)
