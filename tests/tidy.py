"""The shape of the project as rules: who may import whom, what a core may do, how long things get, what has a test.

Every rule is a function from source text to complaints, `file:line: what is wrong; what to do`. tests/test_tidy.py runs
each twice: on the tree, where it must be silent, and on a small piece of code that breaks it, where it must not.
"""

import ast
import fnmatch
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("chargerd", "hal", "firmware")

FILE_LINES = 500
TEST_FILE_LINES = 600
FUNCTION_LINES = 60


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module = field(repr=False)

    @property
    def module(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def source(path: str, text: str) -> Source:
    """Parse `text` as the file `path`."""
    return Source(path, text, ast.parse(text, path))


def read(*folders: str) -> list[Source]:
    """Every Python file below `folders`, in order of path."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


CODE = read(*PACKAGES)
TESTS = read("tests")
MODULES = frozenset(file.module for file in CODE)


# ---- The table: who may import what --------------------------------------------------------------------------------

CONCURRENCY = frozenset({"asyncio", "concurrent", "multiprocessing", "sched", "select", "selectors", "threading"})
NETWORK = frozenset({"http", "socket", "socketserver", "ssl", "urllib"})
WORLD = frozenset({"ctypes", "importlib", "io", "os", "pathlib", "shutil", "signal", "subprocess", "sys", "tempfile"})
CHANCE = frozenset({"random", "secrets", "uuid"})
IMPURE = CONCURRENCY | NETWORK | WORLD | CHANCE | {"logging", "sqlite3", "time"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the import table.

    `ours`: modules of this project it may import, `package.*` for a whole package. `not_std`: modules of the standard
    library it may not import. `libraries`: the only other packages it may import, None for no rule. `lazily`: what it
    may import inside a function all the same. `pure`: it may not reach the world by built-in functions either.
    """

    name: str
    files: tuple[str, ...]
    ours: tuple[str, ...]
    not_std: frozenset[str] = frozenset()
    libraries: tuple[str, ...] | None = None
    lazily: tuple[str, ...] = ()
    pure: bool = False


LEAVES = ("chargerd", "chargerd.clock", "chargerd.codec", "chargerd.limits")
# Both processes load these, so they keep to what both may have.
SHARED = ("chargerd.channel", "chargerd.config", "chargerd.hardening", "chargerd.service", "chargerd.version")
CONTROL = ("chargerd.control", "chargerd.devices", "chargerd.dropin", "chargerd.pace", "chargerd.poll")
COMMANDS = ("chargerd.__main__", "chargerd.ctl")
FIRMWARE_CORE = tuple(
    f"firmware.{name}"
    for name in ("errors", "values", "signatures", "keys", "bundle", "verify", "tree", "slots", "ocpp_signature")
)
FIRMWARE_DEVICE = tuple(sorted(name for name in MODULES if re.match(r"firmware\b(?!\.maker)", name)))
FLAT = tuple(f"chargerd.{path.stem}" for path in sorted((ROOT / "chargerd").glob("[!_]*.py")))
STATION = tuple(name for name in FLAT if name not in (*CONTROL, *COMMANDS))


def files_of(*modules: str) -> tuple[str, ...]:
    """The files of some modules."""
    return tuple(f"{name.replace('.', '/')}.py" for name in modules)


def core(name: str, files: tuple[str, ...], ours: tuple[str, ...], *libraries: str) -> Row:
    """A row for code without a world: values in, values out."""
    return Row(name, files, ours, IMPURE, ("msgspec", *libraries), pure=True)


# What a driver stands on. The charging core keeps its own pilot table: a limit is enforced twice, by code not shared.
HAL_BASE = ("hal.types", "hal.interfaces", "hal.iec61851", "hal.slot", "hal.tables")

# The first row that matches a file is its row.
TABLE = (
    core("values of the hal", ("hal/__init__.py", "hal/types.py"), ("hal.types",)),
    core("interfaces and tables of the hal", ("hal/interfaces.py", "hal/iec61851.py"), ("hal.types",)),
    # A driver is synchronous; a lock guards a line that several pollers share.
    Row("drivers", ("hal/drivers/*",), (*HAL_BASE, "hal.drivers.*"), CONCURRENCY - {"threading"}),
    # The simulated meter answers from the same register maps, over a real line.
    Row("simulated hardware", ("hal/sim/*",), (*HAL_BASE, "hal.sim.*", "hal.drivers.register_map")),
    Row("hal", ("hal/*",), ("hal.*",), CONCURRENCY | NETWORK),
    core("firmware checks", files_of(*FIRMWARE_CORE), FIRMWARE_CORE, "cryptography"),
    # A key and a token are on a maker's desk, never on a device.
    Row(
        "firmware's maker", ("firmware/maker*.py",), ("firmware.*",), CONCURRENCY | NETWORK, ("cryptography", "msgspec")
    ),
    # The one program that root's updater may start, with words of its own (ADR 108).
    Row("firmware's RAUC", ("firmware/rauc.py",), FIRMWARE_CORE, CONCURRENCY | NETWORK, ("msgspec",)),
    # Root's, so it stands on little: no network, no programs, one thing at a time.
    Row(
        "firmware",
        ("firmware/*",),
        FIRMWARE_DEVICE,
        (CONCURRENCY | NETWORK | {"ctypes", "importlib", "logging", "shutil", "subprocess", "tempfile"}) - {"socket"},
        ("msgspec",),
    ),
    Row("clock", ("chargerd/clock.py",), LEAVES, IMPURE - {"time"}, ("msgspec",)),
    core("leaf values", ("chargerd/__init__.py", "chargerd/codec.py", "chargerd/limits.py"), LEAVES),
    Row(
        "certificates",
        ("chargerd/certificates.py",),
        (),
        IMPURE,
        ("msgspec",),
        lazily=("chargerd.certificate_checks",),
        pure=True,
    ),
    core("certificate checks", ("chargerd/certificate_checks.py",), ("chargerd.certificates",), "cryptography"),
    Row("store", ("chargerd/store.py",), LEAVES, CONCURRENCY | NETWORK | CHANCE, ("msgspec",)),
    core(
        "charging core",
        ("chargerd/evse/*",),
        ("hal.types", "chargerd", "chargerd.clock", "chargerd.limits", "chargerd.evse.*"),
    ),
    core("messages", ("chargerd/ocpp/messages/*",), ("chargerd", "chargerd.codec", "chargerd.ocpp.messages.*")),
    core(
        "station core",
        ("chargerd/ocpp/*",),
        (
            "hal.types",
            *LEAVES,
            "chargerd.certificates",
            "chargerd.store",
            "chargerd.evse.types",
            "chargerd.evse.faults",
            "chargerd.ocpp.*",
        ),
    ),
    Row("bench", ("chargerd/bench/*",), ("chargerd.*", "hal.*", "firmware.*")),
    # The test system is the station's opponent: it knows the standard, and nothing of how the station does it.
    Row("conformance", ("chargerd/conformance/*",), ("chargerd.conformance.*",)),
    Row(
        "both processes",
        files_of(*SHARED),
        ("hal.types", *LEAVES, *SHARED, "chargerd.evse.types"),
        CONCURRENCY - {"select", "selectors", "threading"},
        lazily=("asyncio",),
    ),
    Row(
        "control process",
        files_of(*CONTROL),
        ("hal.*", *LEAVES, *SHARED, "chargerd.evse.*", *CONTROL),
        frozenset({"asyncio", "http", "multiprocessing", "socketserver", "ssl", "urllib"}),
        ("gpiod", "gpiozero", "msgspec", "systemd"),
    ),
    # These touch the devices of a board as the control process does, and are loaded by their own command only.
    Row(
        "board tools",
        ("chargerd/ctl/board_*.py", "chargerd/ctl/bring_up*.py"),
        ("hal.*", *LEAVES, *SHARED, "chargerd.control", "chargerd.evse.faults", "chargerd.ctl.*"),
        frozenset({"asyncio", "http", "multiprocessing", "socketserver", "ssl", "urllib"}),
        ("msgspec",),
    ),
    # The maker's desk is the test system with a person at its terminal.
    Row(
        "conformance desk",
        ("chargerd/ctl/conformance_*.py",),
        (*LEAVES, *SHARED, "chargerd.conformance.*", "chargerd.ctl.*"),
    ),
    # These work on the station's own files, in its place or beside it, and are loaded by their own command only.
    Row(
        "identity commands",
        files_of("chargerd.ctl.identity", "chargerd.ctl.provision"),
        (
            *LEAVES,
            *SHARED,
            "chargerd.certificates",
            "chargerd.identity",
            "chargerd.identity_report",
            "chargerd.keys",
            "chargerd.keys_file",
            "chargerd.provisioned",
            "chargerd.provisioning_steps",
            "chargerd.tls",
            "chargerd.ctl.*",
        ),
        frozenset({"asyncio", "multiprocessing", "socketserver"}),
    ),
    # The chain of hashes is the core's; its file is pure and loads nothing else of it.
    Row(
        "check of a log",
        ("chargerd/ctl/verify_log.py",),
        (*LEAVES, "chargerd.ocpp.security_log", "chargerd.ctl.*"),
    ),
    # The maker's desk for updates: it loads what signs, and nothing of the station.
    Row("firmware desk", ("chargerd/ctl/firmware_*.py",), ("firmware.*", *LEAVES, "chargerd.ctl.*")),
    # What starts a process loads that process only: its own imports are light, the rest comes inside the functions.
    Row(
        "commands",
        (*files_of(*COMMANDS), "chargerd/ctl/*"),
        ("hal.types", *LEAVES, *SHARED, "chargerd.evse.types", "chargerd.report", "chargerd.ctl.*"),
        lazily=("chargerd.*", "hal.*", "firmware.*"),
    ),
    # The reasons for no energy have their words in one place, the guard's own table; a report reads them there.
    Row(
        "station process",
        ("chargerd/*",),
        ("hal.types", "firmware.*", *LEAVES, *STATION, "chargerd.evse.types", "chargerd.evse.guard", "chargerd.ocpp.*"),
    ),
)


def row_of(path: str) -> Row:
    """The row of the table that `path` stands in."""
    return next(row for row in TABLE if any(fnmatch.fnmatch(path, pattern) for pattern in row.files))


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, where, and whether only when a function runs."""

    module: str
    line: int
    lazy: bool


def imports(file: Source, modules: frozenset[str] = MODULES) -> Iterator[Import]:
    """All imports of `file`; `from package import name` counts as the module `package.name` where there is one."""
    inside = {
        id(node)
        for function in ast.walk(file.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, id(node) in inside)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                depth = node.level - file.path.endswith("/__init__.py")
                package = file.module.split(".")[: len(file.module.split(".")) - depth]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in modules else base, node.lineno, id(node) in inside)


def matches(module: str, allowed: Iterable[str]) -> bool:
    """Whether `module` is one of `allowed`, where `package.*` stands for the package and all in it."""
    return any(
        module == name or (name.endswith(".*") and f"{module}.".startswith(name.removesuffix("*"))) for name in allowed
    )


def forbidden_imports(file: Source) -> Iterator[str]:
    row = row_of(file.path)
    for found in dict.fromkeys(imports(file)):
        if found.lazy and matches(found.module, row.lazily):
            continue
        where = f"{file.path}:{found.line}: {row.name} may not import {found.module}"
        top = found.module.partition(".")[0]
        if top in PACKAGES:
            if not matches(found.module, row.ours):
                yield f"{where}; pass the value in, or move the code to a file that may (TABLE in tests/tidy.py)"
        elif top in sys.stdlib_module_names:
            if top in row.not_std:
                yield f"{where}; leave it to the shell and pass in what it yields"
        elif row.libraries is not None and top not in row.libraries:
            yield f"{where}; only {', '.join(row.libraries)} here"


def import_cycles(files: Iterable[Source]) -> Iterator[str]:
    known = {file.module: file for file in files}
    modules = frozenset(known)
    needs = {
        name: {i.module for i in imports(file, modules) if not i.lazy and i.module in modules and i.module != name}
        for name, file in known.items()
    }
    # Take away what needs nothing more until only cycles are left.
    while free := {name for name, needed in needs.items() if not needed & needs.keys()}:
        needs = {name: needed for name, needed in needs.items() if name not in free}
    for name in sorted(needs):
        others = ", ".join(sorted(needs[name] & needs.keys()))
        yield f"{known[name].path}:1: is in a cycle of imports with {others}; the lower one must not know the upper one"


# ---- What code may do ----------------------------------------------------------------------------------------------

CORES = {"Controller": "chargerd/control.py", "Station": "chargerd/daemon.py"}
CLOCK_READS = ("now", "utcnow", "today")
WORLD_CALLS = ("open", "print", "input", "__import__")
INET_NAMES = ("create_server", "socketserver", "start_server")
STARTERS = ("exec", "posix_spawn", "spawn", "fork", "system", "popen")
OFF_THE_DEVICE = ("chargerd/bench/", "chargerd/conformance/", "chargerd/ctl/", "firmware/maker_keys.py")
STARTS_A_PROGRAM = "firmware/rauc.py"  # RAUC's own, for root's updater, with words that are constants (ADR 108)
PAST_PYTHON = (
    "chargerd/hardening.py",  # prctl and seccomp
    "chargerd/tpm.py",  # keys in the TPM, by the libcrypto that ssl uses
)
TLS_CONTEXTS = (
    "chargerd/tls.py",
    "chargerd/provisioning_steps.py",  # tries a key and its certificate, and connects to nobody
)
LISTENERS = ("create_server", "serve", "start_server", "ModbusTcpServer", "StartTcpServer", "StartAsyncTcpServer")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# A CSMS and its file server have to be reached by the charger on the desk: its user says where they listen. They never
# run on a device.
# run on a device.
TEST_SYSTEM = ("chargerd/conformance/wire.py", "chargerd/conformance/file_wire.py")


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or an attribute, the last part alone where the start is an expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            start = dotted(value)
            return f"{start}.{name}" if start else name
        case _:
            return ""


def calls(file: Source) -> Iterator[tuple[ast.Call, str]]:
    """Every call of `file` with the dotted name of what is called."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def cores_built_elsewhere(file: Source) -> Iterator[str]:
    for node, name in calls(file):
        root = CORES.get(name.rpartition(".")[2])
        if root is not None and file.path != root:
            yield f"{file.path}:{node.lineno}: builds a {name}; only {root} does, take it as an argument"


def world_in_core(file: Source) -> Iterator[str]:
    if not row_of(file.path).pure:
        return
    for node, name in calls(file):
        start, _, last = name.rpartition(".")
        if name in WORLD_CALLS:
            yield f"{file.path}:{node.lineno}: a core calls {name}(); return a value and let the shell do it"
        if last in CLOCK_READS and start.rpartition(".")[2] in ("datetime", "date"):
            yield f"{file.path}:{node.lineno}: a core reads the clock with {name}(); take `now: Now` as an argument"


def dangerous_calls(file: Source) -> Iterator[str]:
    for node, name in calls(file):
        where = f"{file.path}:{node.lineno}:"
        if name in ("eval", "exec", "os.system", "os.popen"):
            yield f"{where} calls {name}(); decode values strictly, start programs with a list of arguments"
        for keyword in node.keywords:
            if keyword.arg == "shell" and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            ):
                yield f"{where} passes shell=; start programs with a list of arguments"
    for found in imports(file):
        if found.module.partition(".")[0] in ("pickle", "marshal", "shelve"):
            yield f"{file.path}:{found.line}: imports {found.module}; store and send with chargerd.codec"


def programs_started(file: Source) -> Iterator[str]:
    """What runs on a device starts no program and reaches past Python only where it must (bug classes 2 and 3)."""
    if file.path.startswith(OFF_THE_DEVICE):
        return
    for node, name in calls(file):
        if name.startswith("os.") and name.removeprefix("os.").startswith(STARTERS):
            yield f"{file.path}:{node.lineno}: calls {name}(); a process of ours starts no program"
    for found in imports(file):
        top = found.module.partition(".")[0]
        if top == "subprocess" and file.path == STARTS_A_PROGRAM:
            continue
        if top in ("subprocess", "multiprocessing", "pty", "code", "codeop"):
            yield f"{file.path}:{found.line}: imports {top}; a process of ours starts no program"
        if top == "ctypes" and file.path not in PAST_PYTHON:
            yield f"{file.path}:{found.line}: imports ctypes; say why in PAST_PYTHON of tests/tidy.py"


def unverified_tls(file: Source) -> Iterator[str]:
    """One file makes TLS contexts, and nobody turns verification off (bug class 15)."""
    if file.path.startswith(OFF_THE_DEVICE):
        return
    for node in ast.walk(file.tree):
        name = dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        last, line = name.rpartition(".")[2], getattr(node, "lineno", 1)
        if last in ("CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "_create_default_https_context"):
            yield f"{file.path}:{line}: uses {last}; the other side is always verified"
        if last in ("PROTOCOL_TLS_CLIENT", "create_default_context") and file.path not in TLS_CONTEXTS:
            yield f"{file.path}:{line}: makes a TLS context; {TLS_CONTEXTS[0]} does, for everybody"
        targets = [dotted(target) for target in node.targets] if isinstance(node, ast.Assign) else []
        if any(target.endswith(".check_hostname") for target in targets) and ast.unparse(node).endswith("False"):
            yield f"{file.path}:{line}: lets any host name pass; the name is always checked"


def inet_listeners(file: Source) -> Iterator[str]:
    """The device listens nowhere; the bench on loopback only; the test system where it is told, in two files."""
    if file.path in TEST_SYSTEM:
        return
    if file.path.startswith("chargerd/bench/"):
        yield from open_listeners(file)
        return
    remedy = "the device has no listening inet socket, talk over AF_UNIX"
    for node in ast.walk(file.tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in INET_NAMES:
            yield f"{file.path}:{getattr(node, 'lineno', 1)}: uses {name}; {remedy}"
    for call, name in calls(file):
        last = name.rpartition(".")[2]
        if last in LISTENERS and last not in INET_NAMES:
            yield f"{file.path}:{call.lineno}: calls {name}(); {remedy}"
        if last == "bind" and call.args and isinstance(call.args[0], ast.Tuple):
            yield f"{file.path}:{call.lineno}: binds an inet address; {remedy}"
        if name == "socket.socket" and "AF_UNIX" not in {dotted(value).rpartition(".")[2] for value in call.args}:
            yield f"{file.path}:{call.lineno}: makes a socket that is not AF_UNIX; {remedy}"


def open_listeners(file: Source) -> Iterator[str]:
    for call, name in calls(file):
        if name.rpartition(".")[2] in LISTENERS or name in ("ui.run", "uvicorn.run", "uvicorn.Config"):
            given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "host")]
            hosts = [value.value for value in given if isinstance(value, ast.Constant)]
            names = [dotted(value).rpartition(".")[2] for value in given]
            inner = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call)
            if inner or (not given and name.endswith("serve")):
                continue  # `server.serve()`, `super().serve(...)`: the address was given where the server was made
            if "LOOPBACK" not in names and not any(host in LOOPBACK for host in hosts):
                yield f"{file.path}:{call.lineno}: {name}() listens on every address; give it 127.0.0.1 or LOOPBACK"


def postponed_work(file: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(file.text).readline):
        if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX)\b", token.string):
            yield f"{file.path}:{token.start[0]}: {token.string}; do it, or write an issue and delete the comment"


# ---- How long things get, what has a test --------------------------------------------------------------------------


def long_files(file: Source) -> Iterator[str]:
    most = TEST_FILE_LINES if file.path.startswith("tests/") else FILE_LINES
    lines = len(file.text.splitlines())
    if lines > most and not file.path.startswith("chargerd/ocpp/messages/"):
        yield f"{file.path}:1: has {lines} lines, {most} are allowed; one file, one idea: split it by idea"


def long_functions(file: Source) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield (
                    f"{file.path}:{node.lineno}: {node.name} has {lines} lines, {FUNCTION_LINES} are allowed; "
                    "keep the branches here, move the arithmetic to helpers"
                )


def has_behaviour(file: Source) -> bool:
    """Whether there is anything to run: a body of more than a docstring. Structs, enums and protocols have none."""
    bodies = (n.body for n in ast.walk(file.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(
        not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)) for body in bodies for line in body
    )


def mirror_of(path: str) -> str:
    """`hal/drivers/_blueprint.py` -> `tests/hal/drivers/test_blueprint.py`."""
    folder, _, name = path.rpartition("/")
    return f"tests/{folder}/test_{name.removesuffix('.py').strip('_')}.py"


def unmirrored(code: Iterable[Source], tests: Iterable[str]) -> Iterator[str]:
    tested = set(tests)
    mirrors = {mirror_of(file.path): file for file in code}
    for test, file in sorted(mirrors.items()):
        # A certification case is a test itself; tests/conformance runs each.
        if file.path.startswith("chargerd/conformance/cases/"):
            continue
        if test not in tested and has_behaviour(file):
            yield f"{file.path}:1: has no test file; write {test}"
    for test in sorted(tested - mirrors.keys()):
        if re.match(rf"tests/({'|'.join(PACKAGES)})/(.*/)?test_[^/]*$", test):
            yield f"{test}:1: tests no source file of that name; rename it after the file it tests, or move it"


REQUIREMENT = re.compile(r"\b([A-P]\d\d)\.FR\.(\d+)\b")
REQUIREMENT_TEST = re.compile(r"test((?:_[A-P]\d\d_FR_\d+)+)(?:_|$)")


def covered_requirements(tests: Iterable[Source]) -> set[str]:
    """The requirement ids that names of tests start with; a name may start with several."""
    names = (n.name for t in tests for n in ast.walk(t.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return {requirement for name in names for requirement in requirements_in_name(name)}


def requirements_in_name(name: str) -> list[str]:
    """The requirement ids that the name of a test starts with."""
    match = REQUIREMENT_TEST.match(name)
    parts = re.findall(r"_([A-P]\d\d)_FR_(\d+)", match[1]) if match else []
    return [f"{block}.FR.{number}" for block, number in parts]


def uncovered_requirements(code: Iterable[Source], tested: set[str]) -> Iterator[str]:
    for file in code:
        for number, line in enumerate(file.text.splitlines(), 1):
            for match in REQUIREMENT.finditer(line):
                if match[0] not in tested:
                    yield f"{file.path}:{number}: cites {match[0]}; write test_{match[0].replace('.', '_')}_... for it"


# ---- What is committed ---------------------------------------------------------------------------------------------

FOREIGN = re.compile(
    r"""(?<![\w.$}~-])/(?:work|root)(?![\w-])   # a checkout or a home of one machine
    |   \.\./shared\b
    |   pypi\.org | pythonhosted\.org | debian\.org/debian | pkg\.dev\b""",
    re.VERBOSE,
)


def foreign_names(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if match := FOREIGN.search(line):
            yield f"{path}:{number}: names {match[0]!r}, a place of one machine or a registry; say it without"


def committed_texts() -> Iterator[tuple[str, str]]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for path in filter(None, listing.stdout.split("\0")):
        if (ROOT / path).is_file():
            content = (ROOT / path).read_bytes()
            if b"\0" not in content:
                yield path, content.decode("utf-8", "replace")  # what was fuzzed need not be text
