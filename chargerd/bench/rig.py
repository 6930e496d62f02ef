"""The rig: starts both processes as the device does, keeps them running as systemd would, and does what verbs ask."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chargerd.bench.csms import Csms, CsmsError
from chargerd.bench.machine import Machine
from chargerd.bench.updates import UpdateDesk
from chargerd.bench.verbs import BenchError, Verb, complete, find
from chargerd.conformance.authority import authority
from chargerd.provisioned import Provisioned
from chargerd.service import EXIT_CONFIG
from chargerd.updates import RESTART_WISH
from hal.sim.world_file import SUFFIX

READY_WITHIN_S = 20.0
RESTART_AFTER_S = 0.25
STOP_WITHIN_S = 8.0
END_WITH_BENCH = ("setpriv", "--pdeathsig", "TERM")
"""However the bench dies, its processes get a SIGTERM (util-linux, prctl(2) PR_SET_PDEATHSIG)."""
ANSWER_WITHIN_S = 5.0
FRESH_S = 60.0
"""A connection unused for longer is made anew: the console hangs up on those who say nothing for minutes."""

GLANCE_S = 0.5
"""How long a status waits for the plant of a control process that may hang."""
ENDS_BEFORE_READY = 3
"""A process that ended so often before the bench was up will not come up by itself."""

TEST_OPERATOR = "MO"
CONTRACT_LOOKS, CONTRACT_LOOK_S = 50, 0.1
"""How long the bench waits for what becomes of a contract certificate."""

HEALTHY_S = 3.0
"""How long a new version has to run well on the bench. On a device it is a minute."""

WORLD = "bench.world"
"""The simulated world in the state directory: with it the car, its cable and the meters survive the bench."""

log = logging.getLogger("bench")


class RigSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `csms_url` None: the embedded CSMS. `security_profile` None: 2 where the URL says TLS, else 1; for 3
    the state directory holds what was provisioned. `tpm`: where new private keys live, None: in files. `state_dir`
    None: forget everything at the end. `machine`: what is under the station, so that it can be updated.
    """

    board: Path
    identity: str
    csms_url: str | None = None
    security_profile: int | None = None
    ca_file: Path | None = None
    password: str | None = None
    tpm: str | None = None
    state_dir: Path | None = None
    variables: Mapping[str, str] = {}
    machine: Machine | None = None


class Rig:
    """Both processes, the CSMS, and one method `do` for all verbs."""

    def __init__(self, settings: RigSettings) -> None:
        self.settings = settings
        self.csms: Csms | None = None
        self.run_dir = Path(tempfile.mkdtemp(prefix="chargerd-"))
        self._desk = LineClient(self.run_dir / "desk", "the control process")
        self._console = LineClient(self.run_dir / "station.console", "the station process")
        self._keepers: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._ends: dict[str, list[int]] = {"control": [], "station": []}
        self._listener: socket.socket | None = None
        self._desk_of_updates: UpdateDesk | None = None
        self._last_words: dict[str, str] = {}
        self._ready = False
        self._stopping = False

    async def start(self) -> None:
        """Start everything and wait until both processes answer. Raises BenchError with what a process said last."""
        url, password = self.settings.csms_url, self.settings.password
        if url is None:
            password = password or secrets.token_urlsafe(18)
            self.csms = Csms(self.settings.identity, password)
            url = await self.csms.start()
        self._write_settings(url, password)
        python = [sys.executable, "-m", "chargerd"]
        board = str(self.settings.board)
        self._keep(
            "control",
            [*python, "control", "--board", board, "--run", str(self.run_dir), "--desk", str(self.run_dir / "desk")],
        )
        if self.settings.machine is not None:
            self._listen_for_updater(self.settings.machine)
        self._keep("station", [*python, "station", "--bench", "--config", str(self.run_dir / "chargerd.toml")])
        await self._until_ready()

    async def stop(self) -> None:
        """Stop both processes as systemd does (SIGTERM, then SIGKILL) and clean up."""
        self._stopping = True
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for keeper in self._keepers:
            if keeper.get_name() == "keep-updater" and "updater" not in self._running:
                keeper.cancel()
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=STOP_WITHIN_S)
            for process in self._running.values() if late else ():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*self._keepers, return_exceptions=True)
        self._desk.close()
        self._console.close()
        if self.csms is not None:
            await self.csms.stop()
        if self._listener is not None:
            self._listener.close()
        if self._desk_of_updates is not None:
            self._desk_of_updates.close()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    # ------------------------------------------------------------------ verbs

    async def do(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one verb. Raises BenchError with a line for people."""
        verb = find(name)
        arguments = complete(verb, dict(given))
        match verb.where:
            case "plant":
                return await self._desk.ask(verb.name, arguments)
            case "station":
                return await self._console.ask(verb.name, arguments)
            case "csms":
                return await self._ask_csms(verb, arguments)
            case _:
                return await self._do_itself(verb, arguments)

    async def _ask_csms(self, verb: Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if self.csms is None:
            raise BenchError(
                f"{verb.name}: belongs to the embedded CSMS; this bench is connected to {self.settings.csms_url}"
            )
        try:
            match verb.name:
                case "remote_start":
                    return await self.csms.remote_start(arguments["evse"], arguments["uid"])
                case "remote_stop":
                    return await self.csms.remote_stop(arguments["evse"])
                case "limit":
                    return await self.csms.limit(arguments["evse"], arguments["amps"])
                case "no_limit":
                    return await self.csms.limit(arguments["evse"], None)
                case "update":
                    return await self._offer_update(arguments["kind"], arguments["megabytes"])
                case "block_token":
                    self.csms.blocked.add(arguments["uid"].upper())
                    return {}
                case _:
                    return await self.csms.call(arguments["action"], _payload(arguments["payload"]))
        except CsmsError as error:
            raise BenchError(str(error)) from error

    async def _do_itself(self, verb: Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
        match verb.name:
            case "status":
                return await self._status()
            case "show_contract":
                return await self._show_contract(arguments["evse"], arguments["emaid"])
            case "power_cut":
                return self.power_cut()
            case _:
                return self.kill(str(arguments["process"]))

    async def _show_contract(self, evse: int, emaid: str) -> dict[str, Any]:
        """The whole of Plug & Charge in one step: root, certificate, and what came of it."""
        operator = authority(TEST_OPERATOR)
        root = {"certificateType": "MORootCertificate", "certificate": operator.root_pem}
        await self.do("csms_call", {"action": "InstallCertificate", "payload": root})
        told = await self._console.ask("contract", {"evse": evse, "chain": operator.contract(emaid)})
        for _ in range(CONTRACT_LOOKS):
            answer: dict[str, Any] = told["evses"][evse - 1]["contract"]
            if answer["state"] != "asked":
                break
            await asyncio.sleep(CONTRACT_LOOK_S)
            told = await self._console.ask("vehicle", {})
        return {"contract": answer}

    @property
    def updates(self) -> UpdateDesk:
        """What can be offered to the station. Raises BenchError where there is nothing to put it into."""
        if self.settings.machine is None:
            raise BenchError("update: this bench has no machine that could be updated")
        if self._desk_of_updates is None:
            self._desk_of_updates = UpdateDesk(self.settings.machine)
        return self._desk_of_updates

    async def _offer_update(self, kind: str, megabytes: float) -> dict[str, Any]:
        if self.csms is None:
            raise BenchError("update: belongs to the embedded CSMS")
        make = self.updates.request
        request = await asyncio.to_thread(make, kind, megabytes, datetime.now(UTC).isoformat(timespec="seconds"))
        return await self.csms.call("UpdateFirmware", request)

    async def _status(self) -> dict[str, Any]:
        """The station's report, the world around it, and what the CSMS knows."""
        report = await self._console.ask("status", {})
        with contextlib.suppress(BenchError):
            report["plant"] = (await self._desk.ask("plant", {}, GLANCE_S)).get("plant", {})
        if self.csms is not None:
            report["csms"] = {"connected": self.csms.connected, "transactions": self.csms.transactions}
        return report

    def kill(self, process: str) -> dict[str, Any]:
        """SIGKILL `control` or `station`; it is started again as systemd would."""
        if process not in self._running:
            raise BenchError(f"kill: no process {process!r}; running: {', '.join(self.running)}")
        self._running[process].kill()
        return {}

    @property
    def running(self) -> tuple[str, ...]:
        """The processes that there are: `control`, `station`, and for as long as it works the `updater`."""
        return tuple(self._running)

    def pid(self, process: str) -> int:
        """The process id of `control` or `station`."""
        return self._running[process].pid

    # ------------------------------------------------------------------ processes

    def _keep(self, name: str, command: list[str]) -> None:
        self._keepers.append(asyncio.create_task(self._run_for_ever(name, command), name=f"keep-{name}"))

    def _listen_for_updater(self, machine: Machine) -> None:
        """As its socket unit does: who connects waits until it runs, and it ends when nobody asks any more."""
        machine.socket.unlink(missing_ok=True)
        listener = self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(machine.socket))
        listener.listen()
        work = self._run_when_asked(listener, machine)
        self._keepers.append(asyncio.create_task(work, name="keep-updater"))

    async def _run_when_asked(self, listener: socket.socket, machine: Machine) -> None:
        command = [sys.executable, "-m", "chargerd.bench.updater", str(listener.fileno()), str(machine.settings_file)]
        loop = asyncio.get_running_loop()
        while not self._stopping:
            asked = asyncio.Event()
            loop.add_reader(listener.fileno(), asked.set)
            await asked.wait()
            loop.remove_reader(listener.fileno())
            await self._run("updater", command, listener.fileno())
            del self._running["updater"]

    async def _run_for_ever(self, name: str, command: list[str]) -> None:
        """Start it again when it ends: Restart=always."""
        while not self._stopping:
            code = await self._run(name, command)
            self._ends[name].append(code)
            if code == EXIT_CONFIG:
                return
            if not self._has_stopped():
                log.warning("%s ended (%d), starting it again", name, code)
                self._restart_machine_if_wanted(name)
                await asyncio.sleep(RESTART_AFTER_S)

    async def _run(self, name: str, command: list[str], *passed: int) -> int:
        """Start a process, pass its log on, and wait for its end; the exit code."""
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.run_dir / "credentials"), "PYTHONUNBUFFERED": "1"}
        process = await asyncio.create_subprocess_exec(
            *END_WITH_BENCH, *command, env=environment, stderr=asyncio.subprocess.PIPE, pass_fds=passed
        )
        self._running[name] = process
        if self._has_stopped():  # while it was being started
            process.terminate()
        assert process.stderr is not None
        async for line in process.stderr:
            self._last_words[name] = line.decode(errors="replace").strip()
            log.info("%s: %s", name, self._last_words[name])
        return await process.wait()

    def _restart_machine_if_wanted(self, name: str) -> None:
        """The station has asked for it as it ended (chargerd/updates.py)."""
        if name == "station" and self.settings.machine is not None and (self.run_dir / RESTART_WISH).exists():
            self.power_cut()

    def power_cut(self) -> dict[str, Any]:
        """Everything dies at once; then the machine starts, and the launcher chooses a slot. Raises BenchError."""
        if self.settings.machine is None:
            raise BenchError("power_cut: this bench has no machine that could be started anew")
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        (self.run_dir / RESTART_WISH).unlink(missing_ok=True)
        started = self.settings.machine.start()
        log.info("launcher: slot %s, version %s %s", started.slot, started.version, "; ".join(started.notes))
        return {"slot": started.slot, "version": started.version}

    def _has_stopped(self) -> bool:
        return self._stopping

    async def _until_ready(self) -> None:
        """Until both processes answer. Raises BenchError."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + READY_WITHIN_S
        while not self._ready:
            for keeper in self._keepers:
                if keeper.done() and (problem := keeper.exception()) is not None:
                    raise BenchError(f"a process cannot be started: {problem}") from problem
            for name, codes in self._ends.items():
                if EXIT_CONFIG in codes or len(codes) >= ENDS_BEFORE_READY:
                    raise BenchError(f"the {name} process ends ({codes[-1]}): {self._last_words.get(name, 'no word')}")
            try:
                report = await self._console.ask("status", {})
                await self._desk.ask("plant", {})
                self._ready = report["control_run_id"] is not None
            except BenchError as error:
                if loop.time() > give_up_at:
                    raise BenchError(
                        f"the bench did not come up within {READY_WITHIN_S:.0f} s ({error}); see the log above"
                    ) from error
            await asyncio.sleep(0.02)

    def _write_settings(self, url: str, password: str | None) -> None:
        """The site file and the credential, as an installer would lay them down."""
        state_dir = (self.settings.state_dir or self.run_dir / "state").resolve()
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            world = state_dir / WORLD
            world.touch()
        except OSError as error:
            raise BenchError(f"--state {state_dir}: {error.strerror}; name a directory you may write to") from error
        (self.run_dir / f"desk{SUFFIX}").symlink_to(world)
        lines = [
            "[csms]",
            f"url = {_toml(url)}",
            f"security_profile = {self.settings.security_profile or (2 if url.startswith('wss:') else 1)}",
            "trusted_network = true",
            *([f"ca_file = {_toml(str(self.settings.ca_file.resolve()))}"] if self.settings.ca_file else []),
            "[station]",
            f"identity = {_toml(self.settings.identity)}",
            "vehicle_stack = true",
            f"state_dir = {_toml(str(state_dir))}",
            f"run_dir = {_toml(str(self.run_dir))}",
            *_firmware_lines(self.settings.machine),
            *(["[identity]", 'keys = "tpm"', f"tpm = {_toml(self.settings.tpm)}"] if self.settings.tpm else []),
            "[variables]",
            *(f"{_toml(key)} = {_toml(value)}" for key, value in self.settings.variables.items()),
        ]
        if self.settings.machine is not None:
            _trust_maker(state_dir / "provisioned", self.settings.machine)
        (self.run_dir / "chargerd.toml").write_text("\n".join(lines) + "\n")
        credentials = self.run_dir / "credentials"
        credentials.mkdir(mode=0o700)
        if password is not None:
            (credentials / "csms-password").write_text(password)


def _trust_maker(folder: Path, machine: Machine) -> None:
    """The station's ManufacturerRootCertificate, as it comes from the factory."""
    provisioned = Provisioned(folder)
    record = provisioned.read()
    provisioned.write(msgspec.structs.replace(record, manufacturer_roots_pem=(machine.maker.root_pem,)))


def _firmware_lines(machine: Machine | None) -> list[str]:
    """The site's table about updates."""
    if machine is None:
        return ["[firmware]", 'settings = "/nonexistent"']
    return [
        "[firmware]",
        f"settings = {_toml(str(machine.settings_file))}",
        f"updater = {_toml(str(machine.socket))}",
        f"healthy_s = {HEALTHY_S}",
    ]


class LineClient:
    """Newline-delimited JSON over a UNIX socket, one request at a time, connecting anew when the other side
    restarted.
    """

    def __init__(self, path: Path, who: str, fresh_s: float = FRESH_S) -> None:
        self._path = path
        self._who = who
        self._fresh_s = fresh_s
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_s = 0.0

    async def ask(self, verb: str, arguments: Mapping[str, Any], within_s: float = ANSWER_WITHIN_S) -> dict[str, Any]:
        """Send one verb and return the fields of its reply. Raises BenchError."""
        request = json.dumps({"verb": verb} | dict(arguments)).encode() + b"\n"
        async with self._lock:
            try:
                line = await asyncio.wait_for(self._exchange(request), within_s)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.close()
                raise BenchError(f"{self._who} does not answer ({type(error).__name__})") from error
        reply = json.loads(line)
        if not reply.pop("ok", False):
            raise BenchError(reply.get("error", f"{self._who} refused"))
        assert isinstance(reply, dict)
        return reply

    async def _exchange(self, request: bytes) -> bytes:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._used_s > self._fresh_s:
            self.close()
        self._used_s = now_s
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path, limit=8 * 1024 * 1024)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        return await reader.readuntil(b"\n")

    def close(self) -> None:
        """Let go of the connection; the next request makes a new one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _payload(text: object) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    try:
        payload = json.loads(str(text))
    except ValueError as error:
        raise BenchError(f"csms_call: payload is not JSON ({error})") from error
    if not isinstance(payload, dict):
        raise BenchError("csms_call: payload must be a JSON object")
    return payload


def _toml(text: str) -> str:
    """`text` as a TOML basic string (JSON's escapes are a subset)."""
    return json.dumps(text)
