"""The rules of tests/tidy.py: silent on the tree, and not silent on code that breaks them."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from hal.board import load_board
from tests.tidy import (
    CODE,
    FILE_LINES,
    FUNCTION_LINES,
    ROOT,
    TEST_FILE_LINES,
    TESTS,
    Source,
    committed_texts,
    cores_built_elsewhere,
    covered_requirements,
    dangerous_calls,
    forbidden_imports,
    foreign_names,
    import_cycles,
    inet_listeners,
    long_files,
    long_functions,
    postponed_work,
    programs_started,
    source,
    uncovered_requirements,
    unmirrored,
    unverified_tls,
    world_in_core,
)

# ---- The rules on the tree -----------------------------------------------------------------------------------------


def silent(complaints: Iterable[str]) -> None:
    found = list(complaints)
    assert not found, "\n" + "\n".join(found)


def each(rule: Callable[[Source], Iterator[str]], files: Iterable[Source]) -> Iterator[str]:
    return (complaint for file in files for complaint in rule(file))


def test_imports_follow_the_table() -> None:
    silent(each(forbidden_imports, CODE))


def test_no_module_is_in_a_cycle_of_imports() -> None:
    silent(import_cycles(CODE))


def test_only_the_composition_roots_build_the_cores() -> None:
    silent(each(cores_built_elsewhere, CODE))


def test_cores_read_no_clock_and_touch_no_world() -> None:
    silent(each(world_in_core, CODE))


def test_nothing_runs_a_shell_or_code_from_data() -> None:
    silent(each(dangerous_calls, [*CODE, *TESTS]))


def test_nothing_on_a_device_starts_a_program_or_reaches_past_python() -> None:
    silent(each(programs_started, CODE))


def test_nobody_turns_the_verification_of_tls_off() -> None:
    silent(each(unverified_tls, CODE))


def test_the_device_listens_on_no_inet_socket_and_the_bench_on_loopback_only() -> None:
    silent(each(inet_listeners, CODE))


def test_no_work_is_postponed_in_a_comment() -> None:
    silent(each(postponed_work, [*CODE, *TESTS]))


def test_files_are_short() -> None:
    silent(each(long_files, [*CODE, *TESTS]))


def test_functions_are_short() -> None:
    silent(each(long_functions, CODE))


def test_every_source_file_has_its_test_file_and_every_test_file_its_source() -> None:
    silent(unmirrored(CODE, (test.path for test in TESTS)))


def test_every_cited_requirement_has_a_test_named_after_it() -> None:
    cores = [file for file in CODE if file.path.startswith("chargerd/ocpp/")]
    silent(uncovered_requirements(cores, covered_requirements(TESTS)))


def test_no_committed_file_names_a_place_of_one_machine() -> None:
    silent(complaint for path, text in committed_texts() for complaint in foreign_names(path, text))


@pytest.mark.parametrize("path", sorted((ROOT / "board-configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_board_file_loads(path: Path) -> None:
    assert load_board(path).evses


# ---- The rules on code that breaks them ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, text",
    [
        ("chargerd/evse/guard.py", "import asyncio"),
        ("chargerd/evse/guard.py", "from time import monotonic"),
        ("chargerd/evse/guard.py", "import chargerd.store"),
        ("chargerd/evse/guard.py", "from hal import interfaces"),
        ("chargerd/evse/guard.py", "from ..ocpp import rpc"),
        ("chargerd/evse/pilot.py", "from hal.iec61851 import offered_amps"),
        ("chargerd/ocpp/rpc.py", "import websockets"),
        ("chargerd/ocpp/rpc.py", "from chargerd.evse.guard import why_not"),
        ("chargerd/ocpp/rpc.py", "def f():\n    import random"),
        ("chargerd/ocpp/messages/security.py", "from chargerd.clock import Now"),
        ("chargerd/codec.py", "from hal.types import Token"),
        ("chargerd/control.py", "import chargerd.ocpp.rpc"),
        ("chargerd/control.py", "import asyncio"),
        ("chargerd/control.py", "import cryptography.x509"),
        ("chargerd/control.py", "from chargerd.bench import page"),
        ("chargerd/channel.py", "from hal.board import load_board"),
        ("chargerd/service.py", "import asyncio"),
        ("chargerd/daemon.py", "from hal.sim.plant import Plant"),
        ("chargerd/daemon.py", "import chargerd.control"),
        ("chargerd/link.py", "def f():\n    import chargerd.bench.page"),
        ("chargerd/__main__.py", "import chargerd.bench"),
        ("chargerd/ctl.py", "from chargerd.daemon import main"),
        ("hal/drivers/meter_modbus.py", "from hal.board import load_board"),
        ("hal/drivers/meter_modbus.py", "import asyncio"),
        ("hal/sim/plant.py", "from chargerd.clock import Now"),
        ("firmware/updater.py", "import chargerd"),
        ("firmware/verify.py", "import socket"),
        ("firmware/verify.py", "from firmware.disk import Disk"),
        ("firmware/updater.py", "from firmware.maker import build"),
        ("firmware/updater.py", "import subprocess"),
        ("firmware/installers/rauc.py", "import subprocess"),
        ("firmware/rauc.py", "import socket"),
        ("firmware/launcher.py", "import cryptography.x509"),
        ("chargerd/ctl/firmware_commands.py", "import chargerd.ocpp.rpc"),
        ("chargerd/conformance/peer.py", "from chargerd.ocpp.rpc import Call"),
        ("chargerd/conformance/cases/block_b_boot.py", "import hal.types"),
        ("chargerd/daemon.py", "import chargerd.conformance.wire"),
        ("chargerd/ctl/conformance_desk.py", "from chargerd.ocpp.station import Station"),
    ],
)
def test_an_import_outside_the_table_is_found(path: str, text: str) -> None:
    assert [line.partition(": ")[0] for line in forbidden_imports(source(path, text))] == [
        f"{path}:{len(text.splitlines())}"
    ]


@pytest.mark.parametrize(
    "path, text",
    [
        ("chargerd/evse/guard.py", "import msgspec\nfrom hal.types import Token\nfrom chargerd.limits import Limit"),
        ("chargerd/ocpp/rpc.py", "from datetime import datetime\nfrom chargerd.evse.types import Status"),
        (
            "chargerd/control.py",
            "import socket, time\nimport hal.board\nfrom chargerd.evse.controller import Controller",
        ),
        ("chargerd/daemon.py", "import asyncio, logging\nfrom chargerd.ocpp.station import Station\nimport websockets"),
        ("chargerd/__main__.py", "def bench():\n    from chargerd.bench import run"),
        ("chargerd/bench/run.py", "import hal.sim.plant, chargerd.control, ocpp, nicegui"),
        ("chargerd/clock.py", "import time"),
        ("chargerd/service.py", "def f():\n    import asyncio"),
    ],
)
def test_an_import_inside_the_table_passes(path: str, text: str) -> None:
    assert not list(forbidden_imports(source(path, text)))


def test_a_cycle_of_imports_is_found() -> None:
    files = [
        source("chargerd/ocpp/a.py", "from chargerd.ocpp import b"),
        source("chargerd/ocpp/b.py", "import chargerd.ocpp.c"),
        source("chargerd/ocpp/c.py", "from chargerd.ocpp.a import A"),
        source("chargerd/ocpp/d.py", "from chargerd.ocpp.a import A"),
    ]
    assert {line.partition(":")[0] for line in import_cycles(files)} >= {file.path for file in files[:3]}
    files[2] = source("chargerd/ocpp/c.py", "def late():\n    from chargerd.ocpp.a import A")
    assert not list(import_cycles(files))


@pytest.mark.parametrize(
    "rule, path, bad, good",
    [
        (cores_built_elsewhere, "chargerd/link.py", "s = Station(x)", "s = make(x)"),
        (cores_built_elsewhere, "chargerd/daemon.py", "c = controller.Controller(x)", "s = Station(x)"),
        (world_in_core, "chargerd/ocpp/rpc.py", "t = datetime.now(UTC)", "t = now.utc"),
        (world_in_core, "chargerd/evse/guard.py", "d = datetime.date.today()", "d = now.utc.date()"),
        (world_in_core, "chargerd/limits.py", "print(1)", "str(1)"),
        (world_in_core, "chargerd/evse/guard.py", "f = open('x')", "f = lock.open('x')"),
        (dangerous_calls, "chargerd/jobs.py", "run('ls', shell=True)", "run(['ls'], shell=False)"),
        (dangerous_calls, "chargerd/jobs.py", "run('ls', shell=flag)", "run(['ls'])"),
        (dangerous_calls, "chargerd/jobs.py", "eval(text)", "decode(text)"),
        (dangerous_calls, "chargerd/jobs.py", "os.system('ls')", "os.listdir()"),
        (dangerous_calls, "tests/x.py", "import pickle", "import json"),
        (programs_started, "chargerd/jobs.py", "import subprocess", "import select"),
        (programs_started, "chargerd/jobs.py", "os.execv(p, a)", "os.getpid()"),
        (programs_started, "chargerd/jobs.py", "def f():\n    os.posix_spawn(p, a, e)", "os.replace(a, b)"),
        (programs_started, "hal/drivers/x.py", "from ctypes import CDLL", "import fcntl"),
        (unverified_tls, "chargerd/jobs.py", "c.verify_mode = ssl.CERT_NONE", "c.verify_mode = ssl.CERT_REQUIRED"),
        (unverified_tls, "chargerd/jobs.py", "c = ssl.create_default_context()", "c = transfer_context()"),
        (unverified_tls, "chargerd/jobs.py", "c = SSLContext(ssl.PROTOCOL_TLS_CLIENT)", "c: ssl.SSLContext = given"),
        (unverified_tls, "chargerd/tls.py", "c.check_hostname = False", "c.check_hostname = True"),
        (inet_listeners, "chargerd/link.py", "s = socket.socket()", "s = socket.socket(socket.AF_UNIX)"),
        (inet_listeners, "chargerd/link.py", "s.bind(('', 80))", "s.bind(path)"),
        (inet_listeners, "chargerd/link.py", "s = socket.socket(socket.AF_INET)", "f = s.family == socket.AF_INET"),
        (inet_listeners, "chargerd/console.py", "asyncio.start_server(f)", "asyncio.start_unix_server(f)"),
        (inet_listeners, "hal/sim/devices.py", "ModbusTcpServer(c)", "ModbusSerialServer(c)"),
        (inet_listeners, "chargerd/link.py", "websockets.serve(f, '127.0.0.1', 1)", "websockets.connect(url)"),
        (inet_listeners, "chargerd/bench/page.py", "ui.run(port=1)", "ui.run(host='127.0.0.1', port=1)"),
        (inet_listeners, "chargerd/bench/page.py", "uvicorn.Config(app, port=1)", "server.serve()"),
        (inet_listeners, "chargerd/bench/page.py", "ui.run()", "super().serve(sockets)"),
        (inet_listeners, "chargerd/bench/csms.py", "serve(f, '0.0.0.0', 1)", "serve(f, LOOPBACK, 1)"),
        (inet_listeners, "chargerd/conformance/desk.py", "serve(f, *address)", "WireServer(peer, address)"),
        (postponed_work, "chargerd/link.py", "x = 1  # TODO: later", "x = 'TODO'  # said once"),
        (long_files, "chargerd/link.py", "x = 1\n" * (FILE_LINES + 1), "x = 1\n" * FILE_LINES),
        (long_files, "tests/test_x.py", "x = 1\n" * (TEST_FILE_LINES + 1), "x = 1\n" * TEST_FILE_LINES),
        (
            long_functions,
            "chargerd/link.py",
            "def f():\n" + " x = 1\n" * FUNCTION_LINES,
            "def f():\n" + " x = 1\n" * (FUNCTION_LINES - 1),
        ),
    ],
)
def test_code_that_breaks_a_rule_is_found_and_its_neighbour_is_not(
    rule: Callable[[Source], Iterator[str]], path: str, bad: str, good: str
) -> None:
    found = list(rule(source(path, bad)))
    assert found
    assert all(re.match(rf"{re.escape(path)}:\d+: .+; .+", line) for line in found)
    assert not list(rule(source(path, good)))


def test_messages_may_be_long_files() -> None:
    assert not list(long_files(source("chargerd/ocpp/messages/types.py", "x = 1\n" * (FILE_LINES + 1))))


def test_a_file_without_its_test_and_a_test_without_its_file_are_found() -> None:
    paths = ["hal/board.py", "hal/drivers/_blueprint.py", "chargerd/__main__.py"]
    code = [source(path, "def f():\n    return 1") for path in paths]
    tests = ["tests/hal/test_board.py", "tests/hal/drivers/test_blueprint.py", "tests/chargerd/test_main.py"]
    assert not list(unmirrored(code, [*tests, "tests/scenarios/test_files.py", "tests/hal/readings.py"]))
    assert [line.partition(":")[0] for line in unmirrored(code, tests[1:])] == ["hal/board.py"]
    assert [line.partition(":")[0] for line in unmirrored(code[1:], tests)] == ["tests/hal/test_board.py"]


def test_a_certification_case_is_a_test_itself_and_the_framework_is_not() -> None:
    does = "def f():\n    return 1"
    assert not list(unmirrored([source("chargerd/conformance/cases/block_b_boot.py", does)], []))
    assert list(unmirrored([source("chargerd/conformance/station.py", does)], []))


def test_only_a_file_that_declares_and_does_nothing_needs_no_test() -> None:
    protocol = source(
        "hal/interfaces.py", "class Meter(Protocol):\n    def read(self) -> int:\n        'Wh.'\n        ..."
    )
    assert not list(unmirrored([protocol], []))
    assert list(unmirrored([source("hal/types.py", "class A:\n    def f(self):\n        return 1")], []))


def test_a_requirement_without_a_test_is_found() -> None:
    code = [source("chargerd/ocpp/rpc.py", "# B01.FR.02 and B01.FR.03\nx = 1  # K01.FR.38")]
    names = "def test_B01_FR_02_B01_FR_03_both(): ...\ndef test_about_K01_FR_38(): ...\ndef test_B01_FR_021_x(): ..."
    tested = covered_requirements([source("tests/x.py", names)])
    assert tested == {"B01.FR.02", "B01.FR.03", "B01.FR.021"}
    assert [line.partition(": ")[0] for line in uncovered_requirements(code, tested)] == ["chargerd/ocpp/rpc.py:2"]


# The bar keeps the example from breaking the rule where it is written.
@pytest.mark.parametrize("text", ["see /wo|rk/x", "cd /ro|ot", "from ../sh|ared/design", "https://py|pi.org/x"])
def test_a_name_of_one_machine_is_found(text: str) -> None:
    assert list(foreign_names("README.md", f"\n{text.replace('|', '')}\n"))


def test_an_innocent_word_is_not_taken_for_a_name_of_one_machine() -> None:
    assert not list(foreign_names("README.md", "the root, /rootfs, a network/work-flow, $ROOT/work, docs/root"))
