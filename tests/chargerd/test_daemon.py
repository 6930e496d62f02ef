"""The station process in this process: real sockets to a CSMS and to a control process whose part the test plays."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from chargerd import daemon as daemon_module
from chargerd import room
from chargerd.channel import ControlEnd
from chargerd.clock import Now
from chargerd.config import ConfigError, CsmsSettings, SiteSettings, StationSettings
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import FOLDER
from chargerd.daemon import Daemon
from chargerd.evse.types import EvseStatus, PilotState, Status
from chargerd.ocpp.events import MemoryMeasured
from chargerd.ocpp.security_log import verified
from chargerd.provisioned import Provisioned, ProvisionedRecord
from chargerd.service import EXIT_TRY_AGAIN
from chargerd.store import Store, StoreError
from hal.types import BoardFacts
from tests.chargerd import key_stands
from tests.chargerd.ocpp.building import board

Frame = list[Any]


class Csms:
    """Accepts everything; `boots` are the BootNotifications so far, `told` the lines that the station sent."""

    def __init__(self) -> None:
        self.told: list[Frame] = []
        self.ended: list[int | None] = []
        self.connections: list[ServerConnection] = []
        self.answers = True
        self.current_time = datetime.now(UTC)

    @property
    def boots(self) -> list[str]:
        return [frame[3]["reason"] for frame in self.told if frame[2:3] == ["BootNotification"]]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async with serve(
            self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp2.0.1")], ping_interval=None, close_timeout=0.2
        ) as server:
            yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ocpp"

    async def call(self, action: str, **payload: Any) -> None:
        await self.connections[-1].send(json.dumps([2, "csms-1", action, payload]))

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with suppress(ConnectionClosed):
            async for text in connection:
                frame = json.loads(text)
                self.told.append(frame)
                if frame[0] == 2 and self.answers:
                    stamp = self.current_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                    boot = {"currentTime": stamp, "interval": 300, "status": "Accepted"}
                    answer = {"BootNotification": boot, "Heartbeat": {"currentTime": stamp}}.get(frame[2], {})
                    await connection.send(json.dumps([3, frame[1], answer]))
        await connection.wait_closed()
        self.ended.append(connection.close_code)


class Control:
    """Plays the control process: publishes when told, and remembers what it was ordered."""

    def __init__(self, run_dir: Path, facts: BoardFacts | None = None) -> None:
        self.end = ControlEnd(run_dir)
        self.facts = facts or board()
        self.seq = 0

    def publish(self) -> None:
        self.seq += 1
        evses = tuple(EvseStatus(evse_id=i + 1, pilot_state=PilotState.A) for i in range(len(self.facts.evses)))
        status = Status(run_id="run-1", seq=self.seq, at_mono=0.0, board=self.facts, evses=evses)
        self.end.publish(status)


class Stage:
    """Everything around one station process, which a test may start several times."""

    def __init__(self, folder: Path, url: str, csms: Csms) -> None:
        self.folder = folder
        self.csms = csms
        self.control: Control | None = None
        self.site = SiteSettings(
            csms=CsmsSettings(url=url, security_profile=1, trusted_network=True),
            station=StationSettings(identity="CS-1", state_dir=str(folder), run_dir=str(folder)),
            variables={"OCPPCommCtrlr.RetryBackOffWaitMinimum": 1, "OCPPCommCtrlr.RetryBackOffRandomRange": 0},
        )

    def appear(self, facts: BoardFacts | None = None) -> Control:
        """A control process comes up."""
        self.control = Control(self.folder, facts)
        return self.control

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[tuple[Daemon, "asyncio.Task[int]"]]:
        daemon = Daemon(self.site, password="0123456789abcdef", **options)
        task = asyncio.create_task(daemon.run())
        try:
            yield daemon, task
        finally:
            daemon._stop.set()
            await task

    async def until(self, holds: Callable[[], Any], within_s: float = 15.0, *, publishing: bool = True) -> None:
        """Wait, with a control process that publishes as it should (if there is one)."""
        async with asyncio.timeout(within_s):
            while True:
                if self.control is not None and publishing:
                    self.control.publish()
                if holds():
                    return
                await asyncio.sleep(0.02)

    async def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self.folder / "station.console")
        writer.write(json.dumps({"verb": verb} | arguments).encode() + b"\n")
        reply: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        return reply


def play(tmp_path: Path, story: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        csms = Csms()
        async with csms.listening() as url:
            stage = Stage(tmp_path, url, csms)
            try:
                await story(stage)
            finally:
                if stage.control is not None:
                    stage.control.end.close()

    asyncio.run(whole())


# ---- the start ----


def test_it_waits_for_the_control_process_then_boots_with_its_board_and_gives_orders(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with stage.running():
            await asyncio.sleep(0.2)
            assert stage.csms.told == []
            control = stage.appear()
            await stage.until(lambda: stage.csms.boots)
            station = stage.csms.told[0][3]["chargingStation"]
            assert (station["model"], station["vendorName"], station["serialNumber"]) == ("M", "V", "S")
            await stage.until(control.end.latest_orders)

    play(tmp_path, story)


def test_a_silent_control_process_makes_it_start_with_the_board_of_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "FACTS_WITHIN_S", 0.1)
    remember(tmp_path, "board", board(2))

    async def story(stage: Stage) -> None:
        async with stage.running() as (daemon, _):
            await stage.until(lambda: stage.csms.boots)
            report = daemon.verbs.report()
            assert report["control_run_id"] is None
            assert [evse["why_not"] for evse in report["evses"]] == [("the control process is silent",)] * 2

    play(tmp_path, story)


def test_a_board_that_is_not_the_remembered_one_makes_it_start_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "FACTS_WITHIN_S", 0.1)
    remember(tmp_path, "board", board(1))

    async def story(stage: Stage) -> None:
        async with stage.running() as (_, task):
            await stage.until(lambda: stage.csms.boots)
            stage.appear(board(2))
            await stage.until(task.done)
            assert task.result() == EXIT_TRY_AGAIN
        async with stage.running() as (daemon, _):
            await stage.until(lambda: len(stage.csms.boots) == 2)
            assert len(daemon.verbs.report()["evses"]) == 2

    play(tmp_path, story)


def remember(folder: Path, key: str, value: object) -> None:
    store = Store(str(folder / "station.sqlite"))
    store.put("shell", key, value)
    store.close()


def test_what_another_version_noted_in_another_form_is_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remember(tmp_path, "board", {"boards": 3})
    remember(tmp_path, "stopped", "perhaps")

    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: stage.csms.boots)

    play(tmp_path, story)
    assert len([line for line in caplog.messages if line.endswith("ignoring") and "shell/" in line]) == 2


def test_a_stop_while_it_waits_for_the_control_process_is_obeyed(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with stage.running() as (_, task):
            await asyncio.sleep(0.1)
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, 3.0) == 0
        async with stage.running():
            await asyncio.sleep(0.1)  # everything was given back

    play(tmp_path, story)


def test_B01_FR_09_the_boot_reason_tells_a_new_boot_a_stop_by_hand_and_a_process_that_died(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: len(stage.csms.boots) == 1)
        async with stage.running():
            await stage.until(lambda: len(stage.csms.boots) == 2)
        remember(tmp_path, "stopped", False)  # as a process leaves it that is killed
        async with stage.running():
            await stage.until(lambda: len(stage.csms.boots) == 3)
        remember(tmp_path, "boot_id", "another")
        async with stage.running():
            await stage.until(lambda: len(stage.csms.boots) == 4)
        assert stage.csms.boots == ["PowerUp", "LocalReset", "ApplicationReset", "PowerUp"]

    play(tmp_path, story)


# ---- while it lives ----


def test_a_control_process_that_is_silent_for_3_s_is_missed_and_one_that_speaks_again_is_heard(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        control = stage.appear()
        async with stage.running() as (daemon, _):
            await stage.until(lambda: stage.csms.boots)
            loop = asyncio.get_running_loop()
            silent_from = loop.time()
            await stage.until(lambda: daemon.station.ctx.status is None, publishing=False)
            assert 2.9 < loop.time() - silent_from < 5.0
            assert control.end.latest_orders() is not None
            await stage.until(lambda: daemon.station.ctx.status is not None)

    play(tmp_path, story)


def test_a_wall_clock_that_is_set_reaches_the_core_and_the_csms_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(stage: Stage) -> None:
        stage.csms.current_time = datetime.now(UTC) + timedelta(hours=2)
        stage.appear()
        async with stage.running() as (daemon, _):
            fed: list[Any] = []
            await stage.until(lambda: daemon._station is not None)
            feed = daemon.station.feed

            def listen(event: Any, now: Now) -> None:
                fed.append(event)
                feed(event, now)

            monkeypatch.setattr(daemon.station, "feed", listen)
            await stage.until(lambda: any(type(event).__name__ == "TimeStepped" for event in fed))
            (stepped,) = [event for event in fed if type(event).__name__ == "TimeStepped"]
            assert stepped.by_s == pytest.approx(7200, abs=30)
            report = daemon.verbs.report()
            assert report["clock_synced"] is True
            assert datetime.fromisoformat(report["at_utc"]) > datetime.now(UTC) + timedelta(hours=1)

    play(tmp_path, story)


def test_a_reset_by_the_csms_is_answered_before_the_process_ends_for_a_restart(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running() as (daemon, task):
            await stage.until(lambda: stage.csms.boots and daemon.station.ctx.online)
            await stage.csms.call("Reset", type="Immediate")
            await stage.until(task.done, 5.0)
            assert task.result() == EXIT_TRY_AGAIN
            assert [3, "csms-1", {"status": "Accepted"}] in stage.csms.told
        async with stage.running():
            await stage.until(lambda: len(stage.csms.boots) == 2)
        assert stage.csms.boots[1] == "RemoteReset"

    play(tmp_path, story)


def test_a_sigterm_ends_it_within_3_s_even_when_the_csms_answers_nothing_any_more(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running() as (daemon, task):
            await stage.until(lambda: stage.csms.boots)
            stage.csms.connections[-1].transport.pause_reading()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, 3.0) == 0
            assert not daemon._link.is_open

    play(tmp_path, story)


def test_the_link_is_closed_politely_and_the_socket_files_are_gone(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: stage.csms.boots)
        await stage.until(lambda: stage.csms.ended)
        assert stage.csms.ended == [1000]
        assert not (tmp_path / "station.console").exists()

    play(tmp_path, story)


# ---- what must end it ----


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_values: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error, told",
    [
        (StoreError("/state/station.sqlite", "the disk is full", "free space"), "the disk is full; free space"),
        (ZeroDivisionError("a bug"), "the core failed; restarting"),
    ],
)
def test_a_core_that_fails_ends_the_process_at_once_and_nothing_of_what_it_wanted_is_done(
    tmp_path: Path,
    error: Exception,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(stage: Stage) -> None:
        control = stage.appear()
        async with stage.running() as (daemon, task):
            await stage.until(lambda: stage.csms.boots and daemon.station.ctx.online)
            await stage.until(lambda: not daemon.station.ctx.outbox.pending())  # what a start has to say is said
            await stage.until(control.end.latest_orders)
            await stage.until(lambda: any(frame[2:3] == ["StatusNotification"] for frame in stage.csms.told))
            monkeypatch.setattr(daemon.station.availability, "on_change", failing(error))
            monkeypatch.setattr(daemon.station, "_settle", failing(error))
            sent = len(stage.csms.told)
            await stage.csms.call("TriggerMessage", requestedMessage="Heartbeat")
            await stage.until(task.done, 5.0)
            assert task.result() == EXIT_TRY_AGAIN
            assert stage.csms.told[sent:] == []
        assert len([line for line in caplog.messages if told in line]) == 1

    play(tmp_path, story)


def test_a_database_in_use_by_another_station_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "station.sqlite", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")

    async def story(stage: Stage) -> None:
        with pytest.raises(StoreError, match="in use by another process"):
            Daemon(stage.site, password=None)

    play(tmp_path, story)
    other.close()


def test_a_station_with_nothing_to_show_who_it_is_does_not_connect_and_names_the_remedy(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        task = asyncio.create_task(Daemon(stage.site, password=None).run())
        await stage.until(task.done)
        with pytest.raises(ConfigError, match=r"no password for security profile 1.*chargerctl provision"):
            task.result()
        assert not stage.csms.told
        async with stage.running():
            await stage.until(lambda: stage.csms.boots)

    play(tmp_path, story)


# ---- the console ----


def test_the_console_tells_the_status_and_keeps_the_verbs_of_the_bench_to_the_bench(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: stage.csms.boots)
            status = await stage.ask("status")
            assert status["ok"]
            assert status["link"]["identity"] == "CS-1"
            assert "unknown verb" in (await stage.ask("link_down"))["error"]
            assert "unknown verb" in (await stage.ask("frames"))["error"]
            assert "unknown verb" in (await stage.ask("signal", dbm=-90))["error"]

    play(tmp_path, story)


def test_a_person_on_the_spot_limits_an_evse_and_is_told_what_was_wrong(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running() as (daemon, _):
            await stage.until(lambda: stage.csms.boots)
            assert await stage.ask("user_limit", evse=1, amps=10, for_s=60) == {"ok": True}
            (row,) = (one for one in daemon.station.ctx.orders.snapshot(daemon._clock.now()).evses[0].limits)
            assert (row.source, row.amps) == ("user", 10)
            assert await stage.ask("user_limit", evse=1) == {"ok": True}
            assert daemon.station.ctx.orders.snapshot(daemon._clock.now()).evses[0].limits == ()
            for wrong in ({}, {"evse": "1"}, {"evse": 1, "amps": "ten"}, {"evse": 1, "amps": True}):
                assert 'expected "evse"' in (await stage.ask("user_limit", **wrong))["error"]
            assert "from 0 to 80 A" in (await stage.ask("user_limit", evse=1, amps=100))["error"]
            assert "there is no EVSE 7" in (await stage.ask("user_limit", evse=7, amps=10))["error"]

    play(tmp_path, story)


def test_the_bench_says_how_weak_the_radio_link_is(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running(bench=True):
            await stage.until(lambda: stage.csms.boots)
            assert (await stage.ask("signal", dbm=-90))["ok"]
            assert [one["code"] for one in (await stage.ask("status"))["troubles"]] == ["weak_signal"]
            assert (await stage.ask("signal"))["ok"]
            assert (await stage.ask("status"))["troubles"] == []
            assert 'expected "dbm"' in (await stage.ask("signal", dbm="weak"))["error"]

    play(tmp_path, story)


def test_the_bench_holds_the_link_down_lets_it_go_and_looks_back_at_frames(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running(bench=True) as (daemon, _):
            await stage.until(lambda: stage.csms.boots and daemon.station.ctx.online)
            assert (await stage.ask("link_down"))["ok"]
            await stage.until(lambda: stage.csms.ended)
            connections = len(stage.csms.connections)
            await stage.until(lambda: daemon._hand._held_open is not None)
            assert len(stage.csms.connections) == connections
            assert (await stage.ask("link_up"))["ok"]
            await stage.until(lambda: len(stage.csms.connections) == connections + 1)
            frames = (await stage.ask("frames"))["frames"]
            assert [frame["seq"] for frame in frames] == list(range(len(frames)))
            assert "BootNotification" in frames[0]["text"]
            assert {frame["direction"] for frame in frames} == {"in", "out"}

    play(tmp_path, story)


# ---- logs and security ----


def told(csms: Csms, action: str) -> list[dict[str, Any]]:
    return [frame[3] for frame in csms.told if frame[2:3] == [action]]


def more_than(stage: Stage, count: int) -> bool:
    return len(told(stage.csms, "LogStatusNotification")) > count


async def get_log(stage: Stage, kind: str, location: str) -> None:
    await stage.csms.call("GetLog", logType=kind, requestId=7, log={"remoteLocation": location})


def test_logs_are_uploaded_to_a_real_server_without_a_secret_in_them(tmp_path: Path) -> None:
    server = FileServer(("127.0.0.1", 0))

    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: told(stage.csms, "SecurityEventNotification"))
            for kind in ("SecurityLog", "DiagnosticsLog"):
                seen = len(told(stage.csms, "LogStatusNotification"))
                await get_log(stage, kind, server.url + FOLDER)
                await stage.until(partial(more_than, stage, seen + 1))
        statuses = [each["status"] for each in told(stage.csms, "LogStatusNotification")]
        assert statuses == ["Uploading", "Uploaded"] * 2

    try:
        play(tmp_path, story)
    finally:
        server.close()
    security_log, diagnostics = (file.content.decode() for file in server.files.arrived)
    assert verified(security_log)[1] == ()
    assert "# diagnostics of CS-1" in diagnostics
    assert "0123456789abcdef" not in security_log + diagnostics


def test_a_process_that_stops_during_an_upload_tells_its_failure_after_the_next_start(tmp_path: Path) -> None:
    server = FileServer(("127.0.0.1", 0))
    server.files.hold_next()

    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: told(stage.csms, "SecurityEventNotification"))
            await get_log(stage, "SecurityLog", server.url + FOLDER)
            await stage.until(lambda: told(stage.csms, "LogStatusNotification"))
        async with stage.running():
            await stage.until(lambda: len(told(stage.csms, "LogStatusNotification")) == 2)
        last = told(stage.csms, "LogStatusNotification")[-1]
        assert last == {"status": "UploadFailure", "requestId": 7}

    try:
        play(tmp_path, story)
    finally:
        server.close()


def test_a_store_that_was_removed_is_a_log_that_was_cleared_and_little_room_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(stage: Stage) -> None:
        stage.appear()
        async with stage.running():
            await stage.until(lambda: stage.csms.boots)
        for path in stage.folder.glob("station.sqlite*"):
            path.unlink()
        monkeypatch.setattr(room, "measured", lambda _folder: MemoryMeasured(ram_used=0.95, disk_free_bytes=None))
        async with stage.running():
            kinds = {"SecurityLogWasCleared", "MemoryExhaustion"}
            await stage.until(lambda: kinds <= {each["type"] for each in told(stage.csms, "SecurityEventNotification")})

    play(tmp_path, story)


# ---- keys and what the maker gave the device ----


def test_a_provisioned_identity_is_shown_its_key_is_kept_and_a_key_that_nobody_names_is_destroyed(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        keys = key_stands.store("file", tmp_path)
        clients = key_stands.ClientAuthority(tmp_path)
        client, stray = clients.client(keys), keys.make(key_stands.request())
        Provisioned(tmp_path / "provisioned").write(
            ProvisionedRecord(client=client, csms_roots_pem=(clients.root,), manufacturer_roots_pem=(clients.root,))
        )
        stage.appear()
        async with stage.running() as (daemon, _task):
            await stage.until(lambda: stage.csms.boots)
            assert daemon.station.ctx.config.client == client
            await stage.until(lambda: len(keys.describe()) == 1)
            told = await stage.ask("identity")
        assert stray.key_id != client.key_id
        assert told["client"]["key_id"] == client.key_id
        assert [root["subject"] for root in told["csms_roots"]] == ["CN=Client root"]
        assert [root["subject"] for root in told["manufacturer_roots"]] == ["CN=Client root"]
        assert told["password_set"] is True

    play(tmp_path, story)
