"""`chargerctl`: the hands of an electrician with a laptop, a hardware maker and a bench engineer. It asks local
sockets, nothing else.
"""

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DEVICE_SOCKET = Path("/run/chargerd/station.console")
REFRESH_S = 1.0
ANSWER_WITHIN_S = 40.0
CLEAR_SCREEN = "\x1b[H\x1b[2J"


class CtlError(Exception):
    """What could not be done, in one line with the remedy."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 with one line on stderr when it did not."""
    options = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "status": _status,
        "why": _why,
        "limits": _limits,
        "board": _board,
        "bench": _bench,
    }
    try:
        commands[options.command](options)
    except CtlError as error:
        sys.stderr.write(f"chargerctl: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def bench_socket() -> Path:
    """Where a bench of this user listens when it was told no other place."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/chargerd-{os.getuid()}"  # noqa: S108 - a directory of our own, mode 0700
    return Path(runtime) / "chargerd-bench.sock"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chargerctl", description="Look at and operate a chargerd charging station.")
    parser.add_argument(
        "--socket", type=Path, help="UNIX socket of the station or bench (default: the station's, then the bench's)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what goes on, live in a terminal")
    status.add_argument("--json", action="store_true", help="one JSON document and no more")
    status.add_argument("--once", action="store_true", help="show it once and end")
    commands.add_parser("why", help="why no energy flows, EVSE by EVSE")
    commands.add_parser("limits", help="the limit table with its winner")
    board = commands.add_parser("board", help="work with board files")
    board_commands = board.add_subparsers(dest="board_command", required=True, metavar="COMMAND")
    check = board_commands.add_parser("check", help="is this board file right?")
    check.add_argument("file", type=Path)
    bench = commands.add_parser("bench", help="operate the simulated world of a running bench")
    bench.add_argument("verb", help="plug-in, plug-out, ev-ready, present-token, limit, fault … ('help' lists them)")
    bench.add_argument("words", nargs="*", help="its arguments, e.g. EVSE number")
    return parser


# ---------------------------------------------------------------------- commands


def _status(options: argparse.Namespace) -> None:
    path = _find_socket(options.socket)
    if options.json:
        print(json.dumps(ask(path, "status"), indent=2))
        return
    while True:
        text = screen(ask(path, "status"))
        if options.once or not sys.stdout.isatty():
            print(text)
            return
        sys.stdout.write(CLEAR_SCREEN + text + "\n\nCtrl-C ends\n")
        sys.stdout.flush()
        time.sleep(REFRESH_S)


def _why(options: argparse.Namespace) -> None:
    for evse in ask(_find_socket(options.socket), "status")["evses"]:
        print(f"EVSE {evse['evse_id']}: {'no energy, because' if evse['why_not'] else 'energy may flow'}")
        for reason in evse["why_not"]:
            print(f"  - {reason}")


def _limits(options: argparse.Namespace) -> None:
    for evse in ask(_find_socket(options.socket), "status")["evses"]:
        print(f"EVSE {evse['evse_id']}:")
        for line in limit_lines(evse["charging"]):
            print("  " + line)


def _board(options: argparse.Namespace) -> None:
    from hal.board import load_board
    from hal.types import BoardError

    try:
        config = load_board(options.file)
    except BoardError as error:
        raise CtlError(str(error)) from error
    print(f"{options.file}: right ({config.vendor} {config.model}, {len(config.evses)} EVSE)")


def _bench(options: argparse.Namespace) -> None:
    from chargerd.bench.verbs import VERBS, BenchError, arguments_from_words, find, usage

    if options.verb == "help":
        for verb in VERBS.values():
            print(f"{usage(verb):32} {verb.about}")
        return
    try:
        verb = find(options.verb)
        request = arguments_from_words(verb.name, options.words)
    except BenchError as error:
        raise CtlError(str(error)) from error
    reply = ask(options.socket or bench_socket(), verb.name, request)
    print(json.dumps(reply, indent=2) if reply else "done")


# ---------------------------------------------------------------------- the socket


def ask(path: Path, verb: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request, one reply. Raises CtlError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WITHIN_S)
            connection.connect(str(path))
            connection.sendall(json.dumps({"verb": verb} | dict(arguments or {})).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise CtlError(
            f"{path}: nobody listens there; is the station (systemctl status chargerd) or a bench running?"
        ) from error
    except PermissionError as error:
        raise CtlError(f"{path}: not allowed; be root or a member of the group chargerd") from error
    except OSError as error:
        raise CtlError(f"{path}: {error}") from error
    if not line:
        raise CtlError(f"{path}: closed without an answer; be root or a member of the group chargerd")
    reply = json.loads(line)
    if not reply.pop("ok", False):
        raise CtlError(reply.get("error", "refused"))
    assert isinstance(reply, dict)
    return reply


def _find_socket(given: Path | None) -> Path:
    if given is not None:
        return given
    return DEVICE_SOCKET if DEVICE_SOCKET.exists() or not bench_socket().exists() else bench_socket()


# ---------------------------------------------------------------------- what it looks like


def screen(report: Mapping[str, Any]) -> str:
    """The whole report for a terminal of 100 columns."""
    link = report["link"]
    state = f"connected, {link['registration']}" if link["open"] else "not connected"
    lines = [
        f"{report['vendor']} {report['model']}  {report['serial']}  chargerd {report['firmware_version']}"
        + ("  SIMULATED" if report["simulated"] else ""),
        f"CSMS   {link['url']} as {link['identity']}: {state}, {link['queued']} queued",
    ]
    if report["control_run_id"] is None:
        lines.append("the control process is silent: no energy, nothing known of the charging side")
    for evse in report["evses"]:
        lines += ["", *evse_lines(evse)]
    return "\n".join(lines)


def evse_lines(evse: Mapping[str, Any]) -> list[str]:
    """One EVSE: head line, measured values, reasons, limits, faults."""
    charging, transaction = evse["charging"], evse["transaction"]
    head = f"EVSE {evse['evse_id']}  {evse['connector_status']}"
    if transaction is not None:
        head += f"  {transaction['charging_state']}  transaction {transaction['transaction_id'][:8]}"
    if charging is None:
        return [head]
    relay = {True: "closed", False: "open", None: "no feedback"}[charging["relay_closed"]]
    lines = [
        head,
        f"  pilot {charging['pilot_state']}   offered {charging['offered_amps']:.1f} A   contactor {relay}",
        "  " + meter_line(charging["meter"], evse["meter_age_s"]),
    ]
    lines += [f"  no energy: {reason}" for reason in evse["why_not"]]
    lines += [f"  FAULT {fault['code']} {fault['detail']}".rstrip() for fault in charging["faults"]]
    lines += ["  limits:"] + ["    " + line for line in limit_lines(charging)]
    return lines


def meter_line(meter: Mapping[str, Any] | None, age_s: float | None) -> str:
    """Measured values with their age."""
    if meter is None:
        return "meter: no reading"
    amps = " / ".join(f"{amps:.1f}" for amps in meter["amps"])
    return (
        f"meter {amps} A   {meter['power_w'] / 1000:.2f} kW   {meter['energy_wh'] / 1000:.3f} kWh   {age_s:.1f} s old"
    )


def limit_lines(charging: Mapping[str, Any] | None) -> list[str]:
    """The limit table, the winner marked."""
    if charging is None:
        return ["unknown: the control process is silent"]
    winner = charging["limit"]["source"]
    return [
        f"{'>' if limit['source'] == winner else ' '} {limit['source']:16} {limit['amps']:6.1f} A"
        for limit in charging["limits"]
    ]


if __name__ == "__main__":
    sys.exit(main())
