"""`chargerctl conformance`: leads a person with a charger through the certification cases that apply to it."""

import argparse
import fnmatch
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import msgspec

from chargerd.conformance.case import Case, all_cases
from chargerd.conformance.catalogue import DECLARED, CatalogueError, Declaration, catalogue, declaration, why_not
from chargerd.conformance.file_wire import FileServer
from chargerd.conformance.schemas import check
from chargerd.conformance.station import CaseFailed, StationUnderTest
from chargerd.conformance.wire import WireServer
from chargerd.ctl.asking import CtlError
from chargerd.ctl.conformance_desk import CaseSkipped, DeskPeer, DeskSurroundings, cards_by_name
from chargerd.ctl.screen import Ink
from chargerd.ctl.terminal import Ended, Terminal, terminal_for

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
INKS = {PASSED: Ink.GOOD, FAILED: Ink.BAD, SKIPPED: Ink.NOTICE}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a case, after how many seconds; `note`: what failed, or why it was skipped."""

    case: str
    meaning: str
    way: str = "desk"
    outcome: str
    seconds: float
    note: str = ""


def conformance(options: argparse.Namespace) -> int:
    """Run the chosen cases and write the report; 1 when one failed or somebody ended it.

    `options`: patterns (of case ids, or empty), list, listen, password, features, cert, key, answers, bench, report.
    """
    try:
        station = declaration(options.features or DECLARED)
    except CatalogueError as error:
        raise CtlError(str(error)) from error
    cases = chosen(options.patterns, station)
    if options.list:
        for case in cases.values():
            print(f"{case.case_id:12} {case.meaning}")
        return 0
    with ExitStack() as resources:
        wire, another = _listen(options, station)
        resources.enter_context(closing(wire))
        terminal = resources.enter_context(terminal_for(options.answers))
        terminal.say(f"{len(cases)} cases. The charger has to connect to {wire.url}/ and its identity.", Ink.HEAD)
        around = DeskSurroundings(
            wire.peer,
            terminal,
            station.evses,
            bench=options.bench,
            another=another,
            file_server=lambda: FileServer((wire.host, 0)),
        )
        results, ended = run(cases, around, terminal)
    files = _write(results, ended, options)
    summary = ", ".join(f"{_count(results, outcome)} {outcome}" for outcome in INKS)
    print(f"{summary}{f'; {ended}' if ended else ''}\nreport: {' and '.join(map(str, files))}")
    return 1 if ended or _count(results, FAILED) else 0


def chosen(patterns: list[str], station: Declaration) -> Mapping[str, Case]:
    """The cases that apply to the station and fit a pattern. Raises CtlError when a pattern fits none."""
    known = catalogue()
    apply = {case_id: case for case_id, case in all_cases().items() if why_not(known[case_id], station) is None}
    for pattern in patterns:
        if not any(_fits(case_id, pattern) for case_id in apply):
            reason = f": {why_not(known[pattern], station) or 'it is not written'}" if pattern in known else ""
            raise CtlError(f"{pattern} fits no case that applies{reason}; see chargerctl conformance --list")
    return {
        case_id: case
        for case_id, case in apply.items()
        if not patterns or any(_fits(case_id, pattern) for pattern in patterns)
    }


def run(cases: Mapping[str, Case], around: DeskSurroundings, terminal: Terminal) -> tuple[list[Result], str]:
    """One case after the other; what became of them, and why it ended early, empty: it did not."""
    results: list[Result] = []
    try:
        for number, case in enumerate(cases.values(), 1):
            terminal.say("")
            terminal.say(f"{number}/{len(cases)} {case.case_id}: {case.meaning}", Ink.HEAD)
            result = _run_one(case, around)
            results.append(result)
            terminal.say(f"{result.outcome}  {result.note}".strip(), INKS[result.outcome])
    except Ended as end:
        return results, str(end)
    except KeyboardInterrupt:
        return results, "interrupted"
    return results, ""


def _run_one(case: Case, around: DeskSurroundings) -> Result:
    began_mono = around.now_mono()
    outcome, note = PASSED, ""
    try:
        if case.evses > around.evses:
            raise CaseSkipped(f"needs {case.evses} EVSEs")
        if case.security_profile not in {None, around.peer.door.security_profile}:
            raise CaseSkipped(f"needs a station on security profile {case.security_profile}")
        if case.own_tls and around.peer.door.authority is None:
            raise CaseSkipped("needs a CSMS that shows certificates of the test system's own")
        around.begin(case.settings)
        sut = StationUnderTest(around)
        case.body(sut)
        if sut.peer.problems:
            raise CaseFailed(sut.peer.problems[0])
    except CaseSkipped as skipped:
        outcome, note = SKIPPED, str(skipped)
    except AssertionError as failure:
        outcome, note = FAILED, str(failure) or "what the case asserts does not hold"
    if around.peer.connected:
        around.end()
    seconds = round(around.now_mono() - began_mono, 1)
    return Result(case=case.case_id, meaning=case.meaning, outcome=outcome, seconds=seconds, note=note)


def _listen(options: argparse.Namespace, station: Declaration) -> tuple[WireServer, Callable[[], WireServer]]:
    """The server where the user says, and how to make one more on any free port. Raises CtlError."""
    host, _, port = options.listen.rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
        where = (str(address), int(port))
    except ValueError as error:
        raise CtlError(f"--listen {options.listen}: expected ADDRESS:PORT, such as 192.0.2.1:9000") from error
    if address.is_unspecified:
        raise CtlError(f"--listen {host}: that is every network of this machine; name the address on the charger's own")
    try:
        context = None
        if options.cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.cert, options.key)
    except (OSError, ssl.SSLError) as error:
        raise CtlError(f"--cert {options.cert}: cannot be used ({error}); give the key with --key") from error

    def server(number: int) -> WireServer:
        peer = DeskPeer(check, cards_by_name(station.cards))
        peer.door.security_profile = 1 if context is None else 2
        return WireServer(peer, (where[0], number), context, options.password)

    try:
        return server(where[1]), lambda: server(0)
    except OSError as error:
        raise CtlError(f"--listen {options.listen}: {error.strerror or error}") from error


def _write(results: list[Result], ended: str, options: argparse.Namespace) -> tuple[Path, Path]:
    """The report as NAME.md, and its lines as NAME.jsonl. Raises CtlError."""
    declared = (options.features or DECLARED).name
    at_utc = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    prefix = options.report or Path(f"conformance-{at_utc}")
    files = prefix.with_name(f"{prefix.name}.md"), prefix.with_name(f"{prefix.name}.jsonl")
    try:
        files[0].write_text(report(results, ended, at_utc, declared), encoding="utf-8")
        files[1].write_bytes(b"".join(msgspec.json.encode(result) + b"\n" for result in results))
    except OSError as error:
        raise CtlError(f"{error.filename}: cannot write the report ({error.strerror}); give --report") from error
    return files


def report(results: list[Result], ended: str, at_utc: str, declared: str) -> str:
    """The report as Markdown. `declared`: name of the file of features."""
    counts = ", ".join(f"{_count(results, outcome)} {outcome}" for outcome in INKS)
    lines = [
        "# Conformance of a charger on a desk",
        "",
        f"{counts}{f'; {ended}' if ended else ''}. Our own test, and no certificate.",
        "",
        f"- when: {at_utc}",
        f"- declared: `{declared}`",
        "",
        "| Case | What it shows | Outcome | Seconds | Note |",
        "|---|---|---|--:|---|",
    ]
    for result in results:
        note = result.note.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {result.case} | {result.meaning} | {result.outcome} | {result.seconds:g} | {note} |")
    return "\n".join(lines) + "\n"


def _count(results: list[Result], outcome: str) -> int:
    return sum(result.outcome == outcome for result in results)


def _fits(case_id: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(case_id, pattern.upper())
