"""`chargerd bench` as a command: its options, what it says about wrong ones, and what survives it."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chargerd.bench.run import BOARDS, page_port, rig_settings
from chargerd.bench.scenario import Scenario
from chargerd.bench.verbs import BenchError
from tests.chargerd.certificates import Authority
from tests.processes.charge import PASSWORD, ROOT
from tests.processes.hostile import Hostile

CSMS_IDENTITY = "CS-1"


def command(tmp_path: Path, *options: object) -> list[str]:
    """A bench whose sockets and temporary files are the test's own."""
    return [sys.executable, "-m", "chargerd", "bench", "--control", str(tmp_path / "ctl"), *map(str, options)]


class Bench:
    """A bench that runs as a process of its own, with its control socket."""

    def __init__(self, tmp_path: Path, *options: object) -> None:
        self._socket = tmp_path / "ctl"
        self._log = tmp_path / "bench.log"
        with self._log.open("ab") as log:
            self.popen = subprocess.Popen(
                command(tmp_path, "--page", "none", *options), stdout=subprocess.DEVNULL, stderr=log, cwd=ROOT
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def do(self, verb: str, **given: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as replies:
            client.settimeout(10)
            client.connect(str(self._socket))
            client.sendall(json.dumps({"verb": verb, **given}).encode() + b"\n")
            reply: dict[str, Any] = json.loads(replies.readline())
            return reply

    def until(self, holds: Any, within_s: float = 20.0) -> dict[str, Any]:
        end = time.monotonic() + within_s
        while True:
            with contextlib.suppress(OSError):
                status = self.do("status")
                if status["ok"] and holds(status):
                    return status
            assert self.popen.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(20)


@contextlib.contextmanager
def bench(tmp_path: Path, *options: object) -> Iterator[Bench]:
    running = Bench(tmp_path, *options)
    try:
        yield running
    finally:
        if running.popen.poll() is None:
            running.stop()


def is_accepted(status: dict[str, Any]) -> bool:
    return bool(status["link"]["registration"] == "Accepted")


def is_charging(status: dict[str, Any]) -> bool:
    transaction = status["evses"][0]["transaction"]
    return transaction is not None and transaction["charging_state"] == "Charging"


# ---- options ----


def options(**given: Any) -> argparse.Namespace:
    usual: dict[str, Any] = {
        "board": None, "csms": None, "ca_file": None, "identity": "X", "password": None, "state": None, "set": [],
    }  # fmt: skip
    return argparse.Namespace(**usual | given)


def test_the_command_line_wins_over_the_scenario() -> None:
    scenario = Scenario(title="t", step=(), board="bench-dual.toml", set={"A.B": "1", "C.D": "2"})
    settings = rig_settings(options(set=["A.B=3=4"]), scenario)
    assert settings.board == BOARDS / "bench-dual.toml"
    assert settings.variables == {"A.B": "3=4", "C.D": "2"}


@pytest.mark.parametrize(
    "given, told",
    [
        ({"set": ["NoDot=1"]}, "--set NoDot=1: expected Component"),
        ({"set": ["A.B"]}, "--set A.B: expected Component"),
        ({"csms": "http://x"}, "--csms http://x: expected ws://… or wss://…"),
        ({"board": Path("/nowhere.toml")}, "--board /nowhere.toml: no such file"),
    ],
)
def test_an_option_that_cannot_be_is_named_with_what_would_be_right(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        rig_settings(options(**given), None)


def test_a_scenario_needs_the_embedded_csms() -> None:
    with pytest.raises(BenchError, match="leave --csms out"):
        rig_settings(options(csms="ws://x"), Scenario(title="t", step=()))


# ---- one line and exit 1, quickly ----


def refused(tmp_path: Path, *options: object, **environment: str) -> str:
    began = time.monotonic()
    done = subprocess.run(
        command(tmp_path, *options), capture_output=True, text=True, timeout=30, cwd=ROOT, check=False,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert time.monotonic() - began < 15.0
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("chargerd bench: ")][-1]


def test_an_unknown_variable_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    line = refused(tmp_path, "--page", "none", "--set", "OCPPCommCtrlr.HeartbeatIntervall=5")
    assert "OCPPCommCtrlr.HeartbeatIntervall" in line
    assert "did you mean" in line
    assert "OCPPCommCtrlr.HeartbeatInterval" in line.split("did you mean")[1]


def test_a_value_that_a_variable_cannot_have_is_told(tmp_path: Path) -> None:
    assert "HeartbeatInterval" in refused(tmp_path, "--page", "none", "--set", "OCPPCommCtrlr.HeartbeatInterval=often")


def test_a_wrong_board_file_is_told_with_file_and_key(tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text((BOARDS / "bench.toml").read_text().replace("max_amps", "max_ampere"))
    line = refused(tmp_path, "--page", "none", "--board", board)
    assert str(board) in line
    assert "max_ampere" in line


def test_a_page_port_that_is_taken_is_told_with_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(tmp_path, "--page", port)
    assert line == f"chargerd bench: --page {port}: Address already in use; name a free port, e.g. --page {port + 1}"


def test_a_page_that_is_no_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    assert "--page seven: expected a port number or 'none'" in refused(tmp_path, "--page", "seven")
    for page in ("-1", "0", "65536", "8o80", ""):
        with pytest.raises(BenchError, match="expected a port number"):
            page_port(page)
    assert page_port("none") is None
    assert page_port("8080") == 8080


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused(tmp_path, "--page", "none", "--state", tmp_path / "file" / "state")
    assert f"--state {tmp_path}/file/state: " in line
    assert "name a directory you may write to" in line


# ---- what survives ----


def test_state_survives_the_bench_with_password_transaction_car_and_meter(tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state", "--password", PASSWORD)
    with bench(tmp_path, *state, "--set", "SampledDataCtrlr.TxUpdatedInterval=1") as first:
        first.until(is_accepted)
        for verb in ("plug_in", "ev_ready", "present_token"):
            assert first.do(verb, evse=1)["ok"]
        first.until(is_charging)
        status = first.until(lambda status: status["plant"]["evses"][0]["energy_wh"] > 1_000_003)
        wh = status["plant"]["evses"][0]["energy_wh"]
        reply = first.do(
            "csms_call",
            action="SetVariables",
            payload={
                "setVariableData": [
                    {
                        "component": {"name": "OCPPCommCtrlr"},
                        "variable": {"name": "WebSocketPingInterval"},
                        "attributeValue": "77",
                    }
                ]
            },
        )
        assert reply["setVariableResult"][0]["attributeStatus"] == "Accepted"
        assert first.stop() == 0
    with bench(tmp_path, *state) as second:
        status = second.until(is_accepted)
        assert status["plant"]["evses"][0]["plugged"]
        assert status["plant"]["evses"][0]["energy_wh"] >= wh
        reply = second.do(
            "csms_call",
            action="GetVariables",
            payload={
                "getVariableData": [
                    {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "WebSocketPingInterval"}}
                ]
            },
        )
        assert reply["getVariableResult"][0]["attributeValue"] == "77"
        # Both processes were gone, so nobody knows whose car it is: the transaction was ended, a card begins anew.
        second.until(lambda status: status["evses"][0]["transaction"] is None and status["link"]["queued"] == 0)
        assert second.do("present_token", evse=1)["ok"]
        second.until(is_charging)
        assert second.stop() == 0
    assert not (tmp_path / "ctl").exists()


def test_a_bench_that_is_killed_takes_both_processes_with_it(tmp_path: Path) -> None:
    with bench(tmp_path) as running:
        running.until(is_accepted)
        children = Path(f"/proc/{running.popen.pid}/task/{running.popen.pid}/children").read_text().split()
        assert len(children) == 2
        running.popen.kill()
        running.popen.wait()
        end = time.monotonic() + 10.0
        while any(is_running(pid) for pid in children):
            assert time.monotonic() < end
            time.sleep(0.05)


def is_running(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# ---- another CSMS ----


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_the_bench_connects_to_another_csms_over_ws_and_over_wss_with_a_private_root(tmp_path: Path, tls: bool) -> None:
    async def story() -> None:
        csms = Hostile(())
        url, context = csms.url, None
        more: tuple[str, ...] = ()
        if tls:
            authority = Authority(tmp_path)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.issue("127.0.0.1"))
            url, more = url.replace("ws:", "wss:"), ("--ca-file", str(authority.ca_file))
        async with csms.listening(context):
            given = ("--csms", url, "--identity", CSMS_IDENTITY, "--password", PASSWORD, *more)
            with bench(tmp_path, *given) as running:
                status = await asyncio.to_thread(running.until, is_accepted)
                assert status["link"]["security_profile"] == (2 if tls else 1)
                assert csms.csms.connected
                refusal = await asyncio.to_thread(running.do, "remote_start", evse=1, uid="X")
                assert "belongs to the embedded CSMS" in refusal["error"]
                assert await asyncio.to_thread(running.stop) == 0

    asyncio.run(story())


def test_a_csms_whose_certificate_is_not_trusted_is_told_and_tried_again(tmp_path: Path) -> None:
    async def story() -> None:
        csms, authority = Hostile(()), Authority(tmp_path)
        other = Authority(tmp_path, "Another root")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue("127.0.0.1"))
        url = csms.url.replace("ws:", "wss:")
        async with csms.listening(context):
            given = ("--csms", url, "--identity", CSMS_IDENTITY, "--password", PASSWORD, "--ca-file", other.ca_file)
            with bench(tmp_path, *given) as running:
                await asyncio.to_thread(running.until, lambda _status: "TLS failed" in running.log)
                assert not csms.csms.connected

    asyncio.run(story())
