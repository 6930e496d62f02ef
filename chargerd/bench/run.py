"""`chargerd bench`: put the rig, the control socket, the page or a scenario together and run until told to stop."""

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from chargerd.bench.control import ControlSocket
from chargerd.bench.machine import Machine
from chargerd.bench.rig import Rig, RigSettings
from chargerd.bench.scenario import Player, Scenario, ScenarioError, load_scenario
from chargerd.bench.verbs import BenchError
from chargerd.ctl import bench_socket
from chargerd.version import VERSION

PAGE_ENDS_WITHIN_S = 3.0

BOARDS = Path(__file__).resolve().parents[2] / "board-configs"


def main_bench(options: argparse.Namespace) -> int:
    """Run the bench; 0 when it ended as asked, 1 with one line on stderr when something was wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        scenario = load_scenario(options.scenario) if options.scenario else None
        settings = rig_settings(options, scenario)
        port = page_port(options.page)
        return asyncio.run(_run(settings, options.control or bench_socket(), scenario, port))
    except (BenchError, ScenarioError) as error:
        sys.stderr.write(f"chargerd bench: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def rig_settings(options: argparse.Namespace, scenario: Scenario | None) -> RigSettings:
    """What the command line and the scenario ask for together; the command line wins. Raises BenchError."""
    variables = dict(scenario.set) if scenario else {}
    for assignment in options.set:
        key, equals, value = assignment.partition("=")
        if not equals or "." not in key:
            raise BenchError(f"--set {assignment}: expected Component[instance].Variable[instance]=value")
        variables[key] = value
    board = options.board or BOARDS / (scenario.board if scenario else "bench.toml")
    if not board.is_file():
        raise BenchError(f"--board {board}: no such file; boards that come with chargerd are in {BOARDS}")
    if options.csms is not None and not options.csms.startswith(("ws://", "wss://")):
        raise BenchError(f"--csms {options.csms}: expected ws://… or wss://…")
    if scenario is not None and options.csms is not None:
        raise BenchError("--scenario: needs the embedded CSMS, for it looks at what the CSMS sees; leave --csms out")
    return RigSettings(
        board=board,
        identity=options.identity,
        csms_url=options.csms,
        ca_file=options.ca_file,
        password=options.password,
        state_dir=options.state,
        variables=variables,
    )


def page_port(page: str) -> int | None:
    """The port of the page, None for no page. Raises BenchError."""
    if page == "none":
        return None
    if not page.isdecimal() or not 0 < int(page) < 65536:
        raise BenchError(f"--page {page}: expected a port number or 'none'")
    return int(page)


async def _run(settings: RigSettings, socket: Path, scenario: Scenario | None, port: int | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    machine_dir = Path(tempfile.mkdtemp(prefix="chargerd-machine-"))
    machine = await asyncio.to_thread(Machine, machine_dir / "machine", VERSION)
    rig = Rig(msgspec.structs.replace(settings, machine=machine))
    control = ControlSocket(socket, rig)
    try:
        await rig.start()
        await control.start()
        if scenario is not None:
            return await _play(rig, scenario)
        await _serve(port, rig, stop)
        return 0
    finally:
        await control.stop()
        await rig.stop()
        shutil.rmtree(machine_dir, ignore_errors=True)


async def _play(rig: Rig, scenario: Scenario) -> int:
    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    say(scenario.title)
    try:
        await Player(rig, say).play(scenario)
    except ScenarioError as error:
        say(f"FAILED: {error}")
        return 1
    say("passed")
    return 0


async def _serve(port: int | None, rig: Rig, stop: asyncio.Event) -> None:
    """With a page or without one, until a signal comes."""
    if port is None:
        sys.stdout.write("the bench is running; Ctrl-C ends it\n")
        sys.stdout.flush()
        await stop.wait()
        return
    from chargerd.bench.page import serve_page  # noqa: PLC0415  a scenario needs no web server

    page = asyncio.create_task(serve_page(rig, port, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([page, stopped], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    stopped.cancel()
    await asyncio.wait([page], timeout=PAGE_ENDS_WITHIN_S)
    if page.done():
        page.result()
    else:
        page.cancel()  # a browser that does not let go must not keep the processes running
