"""The rig: verbs reach who serves them, processes are kept as systemd keeps them, trouble is told in a line."""

import asyncio
import json
import shutil
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from chargerd.bench.machine import Machine
from chargerd.bench.rig import STOP_WITHIN_S, WORLD, LineClient, Rig, RigSettings
from chargerd.bench.verbs import VERBS, BenchError
from chargerd.updater_client import UpdaterClient
from tests.processes.charge import BENCH, CARD, Charger, charger, is_charging

BENCH_DUAL = BENCH.with_name("bench-dual.toml")


def play(story: Callable[[Charger], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def whole() -> None:
        async with charger(**settings) as running:
            await story(running)

    asyncio.run(whole())


def test_verbs_reach_the_plant_the_station_the_csms_and_the_rig_itself() -> None:
    async def story(bench: Charger) -> None:
        assert await bench.do("plug_in") == {}
        assert (await bench.world())["plugged"]
        assert "weld_relay" in (await bench.do("faults"))["faults"]
        assert (await bench.do("frames"))["frames"][0]["direction"] == "out"
        answer = await bench.do("csms_call", action="TriggerMessage", payload={"requestedMessage": "Heartbeat"})
        assert answer == {"status": "Accepted"}
        status = await bench.do("status")
        assert status["csms"] == {"connected": True, "transactions": {}}
        assert status["plant"]["evses"][0]["plugged"]

    play(story)


def test_it_ends_although_an_updater_has_come_and_gone(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine", "1.0.0")

    async def story(bench: Charger) -> None:
        await UpdaterClient(machine.socket).mark_good()
        await bench.until_seen(lambda: "updater" not in bench.rig.running)
        await asyncio.wait_for(bench.rig.stop(), STOP_WITHIN_S)

    play(story, machine=machine)


def test_an_operator_starts_limits_and_stops_from_the_csms() -> None:
    async def story(bench: Charger) -> None:
        await bench.do("plug_in")
        await bench.do("ev_ready")
        assert (await bench.do("remote_start", uid=CARD))["status"] == "Accepted"
        await bench.until(is_charging)
        assert (await bench.do("limit", amps=10.0))["status"] == "Accepted"
        status = await bench.until(lambda status: status["evses"][0]["charging"]["limit"]["amps"] == 10.0)
        assert status["evses"][0]["charging"]["limit"]["source"] == "csms"
        assert (await bench.do("no_limit"))["status"] == "Accepted"
        await bench.until(lambda status: status["evses"][0]["charging"]["limit"]["amps"] == 32.0)
        assert (await bench.do("remote_stop"))["status"] == "Accepted"
        await bench.until(lambda status: not status["evses"][0]["transaction"])
        with pytest.raises(BenchError, match="no transaction runs on EVSE 1"):
            await bench.do("remote_stop")
        await bench.do("block_token", uid=CARD.lower())
        await bench.do("present_token", uid=CARD)
        await bench.until_seen(lambda: bench.seen("Authorize"))

    play(story)


def test_a_car_charges_by_its_contract_certificate_and_others_by_their_card() -> None:
    async def story(bench: Charger) -> None:
        with pytest.raises(BenchError, match="whole number"):
            await bench.do("contract", evse="first", chain="")
        assert (await bench.do("show_contract"))["contract"]["why"] == "no vehicle is connected"
        await bench.do("plug_in")
        await bench.until(lambda status: status["evses"][0]["charging"]["ev_connected"])
        assert (await bench.do("show_contract"))["contract"]["state"] == "accepted"
        assert bench.seen("Authorize")[0]["idToken"] == {"idToken": "DETSTC123456789", "type": "eMAID"}
        await bench.do("ev_ready")
        await bench.until(is_charging)
        await bench.do("block_token", uid="DETSTC000000000")
        refused = (await bench.do("show_contract", emaid="DETSTC000000000"))["contract"]
        assert (refused["state"], refused["why"]) == ("refused", "somebody is authorized already")
        wanted = await bench.do("ev_certificate")
        assert wanted["evses"][0]["ev_certificate"]["state"] in {"asked", "refused"}
        await bench.until_seen(lambda: bench.seen("Get15118EVCertificate"))
        assert (await bench.do("vehicle"))["offer_contract"]

    play(story)


def test_what_cannot_be_served_is_told_with_what_would_be_right() -> None:
    async def story(bench: Charger) -> None:
        for verb, given, told in (
            ("fly", {}, "fly"),
            ("plug_in", {"evse": 7}, "this board has EVSEs 1 to 2"),
            ("fault", {"name": "gremlin"}, "known faults"),
            ("csms_call", {"action": "Fly", "payload": {}}, "no request 'Fly'"),
            ("csms_call", {"action": "Reset", "payload": {"type": "Sideways"}}, "Reset"),
            ("kill", {"process": "everybody"}, "running: control, station"),
        ):
            with pytest.raises(BenchError) as refused:
                await bench.rig.do(verb, given)
            assert told in str(refused.value)

    play(story, board=BENCH_DUAL)


def test_every_verb_that_belongs_to_the_csms_says_so_when_it_is_somebody_elses() -> None:
    async def story() -> None:
        rig = Rig(RigSettings(board=BENCH, identity="X", csms_url="ws://127.0.0.1:9"))
        given = {"evse": 1, "uid": "X", "amps": 10.0, "action": "Reset", "payload": {}} | {
            "kind": "good",
            "megabytes": 1.0,
        }
        for verb in VERBS.values():
            if verb.where == "csms":
                arguments = {argument.name: given[argument.name] for argument in verb.arguments}
                with pytest.raises(BenchError, match="belongs to the embedded CSMS"):
                    await rig.do(verb.name, arguments)
        shutil.rmtree(rig.run_dir)

    asyncio.run(story())


def test_a_rig_that_is_not_running_says_who_does_not_answer() -> None:
    async def story() -> None:
        rig = Rig(RigSettings(board=BENCH, identity="X"))
        with pytest.raises(BenchError, match="the control process does not answer"):
            await rig.do("plug_in", {})
        with pytest.raises(BenchError, match="the station process does not answer"):
            await rig.do("status", {})
        with pytest.raises(BenchError, match="no process 'station'"):
            await rig.do("kill", {"process": "station"})
        shutil.rmtree(rig.run_dir)

    asyncio.run(story())


def test_the_files_an_installer_would_lay_down_hold_no_password_and_everything_is_gone_at_the_end() -> None:
    folders: list[Path] = []

    async def story(bench: Charger) -> None:
        folders.append(bench.rig.run_dir)
        site = tomllib.loads((bench.rig.run_dir / "chargerd.toml").read_text())
        assert site["station"]["identity"] == 'CS "1"'
        assert site["variables"]["SampledDataCtrlr.TxUpdatedInterval"] == "1"
        assert "correct horse" not in json.dumps(site)
        assert (bench.rig.run_dir / "credentials").stat().st_mode & 0o077 == 0

    play(story, identity='CS "1"')
    assert not folders[0].exists()


def test_a_process_that_dies_is_started_again_and_one_that_refuses_its_settings_is_not(tmp_path: Path) -> None:
    async def dies(bench: Charger) -> None:
        pid = bench.rig.pid("station")
        await bench.do("kill", process="station")
        await bench.until_seen(lambda: bench.rig.pid("station") != pid)
        await bench.until(lambda status: status["link"]["registration"] == "Accepted")

    async def refuses() -> None:
        board = tmp_path / "board.toml"
        board.write_text("[board]\n")
        rig = Rig(RigSettings(board=board, identity="X"))
        try:
            with pytest.raises(BenchError, match=rf"the control process ends \(78\): chargerd control: {board}"):
                await rig.start()
        finally:
            await rig.stop()

    play(dies)
    asyncio.run(refuses())


def test_a_process_that_ends_again_and_again_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    async def story() -> None:
        rig = Rig(RigSettings(board=BENCH, identity="X", state_dir=tmp_path))
        (tmp_path / "station.sqlite").mkdir()
        try:
            with pytest.raises(BenchError, match=rf"the station process ends \(75\): .*{tmp_path}/station.sqlite"):
                await rig.start()
        finally:
            await rig.stop()

    asyncio.run(story())


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rig = Rig(RigSettings(board=BENCH, identity="X"))
        try:
            with pytest.raises(BenchError, match=r"cannot be started: .*'setpriv'"):
                await rig.start()
        finally:
            await rig.stop()

    monkeypatch.setenv("PATH", "/nowhere")
    asyncio.run(story())


def test_the_world_lives_in_the_state_directory(tmp_path: Path) -> None:
    async def story(bench: Charger) -> None:
        await bench.do("plug_in", amps=20.0)

    play(story, state_dir=tmp_path / "new" / "state")
    kept = json.loads((tmp_path / "new" / "state" / WORLD).read_bytes())
    assert kept["evses"][0]["plugged"] is True


def test_a_console_that_hung_up_on_an_idle_bench_is_connected_anew(tmp_path: Path) -> None:
    async def answer_once_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"ok": true}\n')
        writer.close()
        await writer.wait_closed()

    async def twice(fresh_s: float) -> None:
        client = LineClient(tmp_path / "console", "the station process", fresh_s)
        try:
            await client.ask("status", {})
            await asyncio.sleep(0.05)
            await client.ask("status", {})
        finally:
            client.close()

    async def story() -> None:
        async with await asyncio.start_unix_server(answer_once_and_hang_up, tmp_path / "console"):
            await twice(fresh_s=0.01)
            with pytest.raises(BenchError, match="the station process does not answer"):
                await twice(fresh_s=60.0)

    asyncio.run(story())
