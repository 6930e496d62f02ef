"""No secret leaves its place (bug class 4): canaries are planted in a day of both real processes and then looked for in
everything that came of it.
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chargerd.bench.rig import Rig
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.files import FOLDER, Files
from tests.processes import charge
from tests.processes.canaries import Canary, files_below, found_in, plant, seen_of_process
from tests.processes.charge import ROOT, Charger, charger, is_charging

COMMANDS = (("status", "--once"), ("status", "--json"), ("why",), ("limits",), ("limit", "1", "16"), ("bench", "help"))


class KeyedRig(Rig):
    """A bench whose station has a key for its store as well."""

    store_key = ""

    def _write_settings(self, url: str, password: str | None) -> None:
        super()._write_settings(url, password)
        (self.run_dir / "credentials" / "store-key").write_text(self.store_key)


def open_to_others(folder: Path) -> list[Path]:
    """Files that another user may read or write (bug class 6); what the bench itself put there is not meant."""
    of_the_bench = {folder / "chargerd.toml", folder / "credentials", folder / "bench.world"}
    found = (path for path in folder.rglob("*") if path.is_file() and not of_the_bench & {path, path.parent})
    return [path for path in found if path.stat().st_mode & 0o077]


def chargerctl(station: Charger) -> dict[str, bytes]:
    """What an operator sees."""
    told = {}
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "chargerd.ctl", "--socket", station.rig.run_dir / "station.console", *command],
            capture_output=True, cwd=ROOT, check=False,
        )  # fmt: skip
        told[f"chargerctl {' '.join(command)}"] = done.stdout + done.stderr
    return told


def set_password(value: str, variable: str = "BasicAuthPassword", **more: Any) -> dict[str, Any]:
    wanted = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": variable}, "attributeValue": value}
    return {"setVariableData": [wanted | more]}


def connection(url: str, **more: Any) -> dict[str, Any]:
    return {
        "configurationSlot": 2,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": 30,
            "securityProfile": 2,
            "ocppInterface": "Wired0",
            **more,
        },
    }


async def told_by_the_csms(station: Charger, spoken: Canary) -> None:
    """The CSMS says `spoken` in every place where the standard has one for a secret, rightly and wrongly."""
    secret = spoken.text
    vpn = {"server": "vpn.invalid", "user": "u", "password": secret[:20], "key": secret, "type": "IPSec"}
    apn = {"apn": "a", "apnUserName": "u", "apnPassword": secret[:20], "apnAuthentication": "CHAP"}
    log = {"remoteLocation": f"http://user:{secret}@127.0.0.1:9/x?signature={secret}"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("SetVariables", set_password(secret, "NoSuchPassword")),
        ("SetVariables", set_password(secret * 3)),
        ("SetVariables", set_password(secret, attributeType="Target")),
        ("SetNetworkProfile", connection("wss://csms.invalid", vpn=vpn)),
        ("SetNetworkProfile", connection("wss://csms.invalid", apn=apn)),
        ("SetNetworkProfile", connection(f"wss://user:{secret}@csms.invalid/")),
        ("GetLog", {"logType": "DiagnosticsLog", "requestId": 1, "log": log}),
        ("GetLog", {"logType": "SecurityLog", "requestId": 2, "log": log}),
        ("UpdateFirmware", {"requestId": 3, "firmware": {
            "location": f"https://user:{secret}@firmware.invalid/x", "retrieveDateTime": "2026-01-01T00:00:00Z"}}),
        ("GetVariables", {"getVariableData": [{
            "component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}]}),
        ("GetBaseReport", {"requestId": 4, "reportBase": "FullInventory"}),
        ("GetBaseReport", {"requestId": 5, "reportBase": "ConfigurationInventory"}),
    ]  # fmt: skip
    assert station.rig.csms is not None
    assert station.rig.csms._station is not None
    connection_of_the_csms = station.rig.csms._station._connection
    for number, (action, payload) in enumerate(calls):
        await connection_of_the_csms.send(json.dumps([2, f"canary-{number}", action, payload]))
    # What is no message at all, and what is one with an extra property, is complained about.
    extra = json.dumps([2, "extra", "SetVariables", {**set_password(secret), "notInTheStandard": secret}])
    for text in (secret, f'[2,"x{secret}"', extra):
        await connection_of_the_csms.send(text)


def has_more_than(files: Files, count: int) -> bool:
    return len(files.arrived) > count


async def uploaded(station: Charger, spoken: Canary) -> dict[str, bytes]:
    """Both logs, sent to a file server whose URL has a password in it; by the name that they came under."""
    server = FileServer(("127.0.0.1", 0))
    try:
        place = f"{server.url.replace('://', f'://user:{spoken.text}@')}{FOLDER}"
        for number, kind in enumerate(("DiagnosticsLog", "SecurityLog")):
            assert station.rig.csms is not None
            log = {"remoteLocation": place}
            answer = await station.rig.csms.call("GetLog", {"logType": kind, "requestId": 100 + number, "log": log})
            assert answer["status"] == "Accepted"
            await station.until_seen(partial(has_more_than, server.files, number))
        return {f"upload {file.name}": file.content for file in server.files.arrived}
    finally:
        await asyncio.to_thread(server.close)


async def sent_by(station: Charger, *wanted: str) -> bytes:
    """The frames that the station has sent, once all of `wanted` is in them."""
    async with asyncio.timeout(20):
        while True:
            frames = (await station.do("frames"))["frames"]
            text = "\n".join(frame["text"] for frame in frames if frame["direction"] == "out")
            if all(part in text for part in wanted):
                return text.encode()
            await asyncio.sleep(0.05)


def is_another(station: Charger, pid: int) -> bool:
    return station.rig.pid("station") != pid


async def a_day(station: Charger, new: Canary, spoken: Canary) -> dict[str, bytes]:
    """Charge, change the password, be told secrets, crash, come back; what could be seen meanwhile."""
    places: dict[str, bytes] = {}
    csms = station.rig.csms
    assert csms is not None
    await station.charge()
    await told_by_the_csms(station, spoken)
    places["frames of the station"] = await sent_by(station, '"-1"', "FormatViolation", '"canary-11"', "NotifyReport")
    csms._password = new.text
    boots = len(station.seen("BootNotification"))
    answer = await csms.call("SetVariables", set_password(new.text))
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL):
        pid = station.rig.pid("station")
        places |= seen_of_process(pid) | seen_of_process(station.rig.pid("control"))
        os.kill(pid, number)
        await station.until_seen(partial(is_another, station, pid))
        await station.until(lambda status: status["link"]["registration"] == "Accepted" and is_charging(status))
    assert (
        len(station.seen("BootNotification")) >= boots + 3
    )  # it came back each time with the password that the CSMS set
    places |= await uploaded(station, spoken)
    places |= await asyncio.to_thread(chargerctl, station)
    places["status"] = json.dumps(await station.status(), default=str).encode()
    places["seen by the CSMS"] = json.dumps([seen.payload for seen in csms.seen], default=str).encode()
    await station.do("remote_stop")
    await station.until(lambda status: not status["evses"][0]["transaction"])
    return places


@pytest.mark.parametrize("with_key", [True, False], ids=["with a store key", "without"])
def test_no_planted_secret_is_found_where_it_does_not_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_key: bool
) -> None:
    state = tmp_path / "state"
    key = plant("storekey", "run/credentials/store-key")
    site = plant("site", "run/credentials/csms-password")
    new = plant("new", *(() if with_key else (f"{state}/station.sqlite",)))
    spoken = plant("spoken")
    before = set(ROOT.glob("core*")) | set(Path.cwd().glob("core*"))
    if with_key:
        KeyedRig.store_key = key.text * 2
        monkeypatch.setattr(charge, "Rig", KeyedRig)

    async def story() -> dict[str, bytes]:
        async with charger(state_dir=state, password=site.text) as station:
            places = await a_day(station, new, spoken)
            for path, content in (await asyncio.to_thread(files_below, station.rig.run_dir)).items():
                places[path.replace(str(station.rig.run_dir), "run")] = content
            assert not await asyncio.to_thread(open_to_others, station.rig.run_dir)
            places["log"] = "\n".join(station.log.lines).encode()
            assert not await asyncio.to_thread(open_to_others, state)
        return places | await asyncio.to_thread(files_below, state)

    places = asyncio.run(story())
    assert found_in([key, site, new, spoken], places) == []
    assert (set(ROOT.glob("core*")) | set(Path.cwd().glob("core*"))) == before
    # The search would have seen something: each place is there, and what may be found in its own place is found.
    assert len(places["log"].splitlines()) > 20
    assert len(places["frames of the station"]) > 5000
    assert len([place for place, content in places.items() if place.startswith("upload") and content]) == 2
    assert b"Charging" in places["chargerctl status --json"]
    assert str(state / "station.sqlite") in places
    homes = [canary for canary in (key, site, new) if canary.may_be_in and (canary is not key or with_key)]
    for canary in homes:
        assert found_in([Canary(canary.name, canary.text)], places), canary.name


def test_the_search_finds_a_secret_in_whatever_form_it_gets_out() -> None:
    canary = plant("hidden")
    text = canary.text
    for form in (
        text.encode(),
        base64.b64encode(f"CS-1:{text}".encode()),
        base64.b64encode(f"CS-12:{text}:and more".encode()),
        base64.urlsafe_b64encode(f"CS-123:{text}".encode()),
        text.encode().hex().encode(),
        quote(text, safe="").encode(),
        text.encode("utf-16"),
        json.dumps({"password": text}).encode(),
    ):
        assert found_in([canary], {"somewhere": b"before" + form + b"after"}) == ["hidden in somewhere"], form
    assert found_in([plant("other")], {"somewhere": text.encode()}) == []
    assert found_in([Canary("home", text, ("some",))], {"somewhere": text.encode()}) == []
