"""The commands of `chargerctl`, each a few lines: ask, show, say in one line what was wrong."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from chargerd.ctl.asking import RUN_DIR, CtlError, ask, bench_socket, find_socket
from chargerd.ctl.firmware_options import add_firmware
from chargerd.ctl.live import may_be_live, show_live, wants_colours
from chargerd.ctl.screen import limit_lines, screen

CONFIG = Path("/etc/chargerd/chargerd.toml")
CREDENTIAL = Path("/etc/credstore/chargerd.csms-password")
"""Where chargerd.service looks for them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, else lines on stderr: 78 for a wrong board file, 75 try again, 1 the rest."""
    commands: dict[str, Callable[[argparse.Namespace], int | None]] = {
        "status": _status,
        "why": _why,
        "limits": _limits,
        "limit": _limit,
        "board": _board,
        "bench": _bench,
        "conformance": _conformance,
        "identity": _identity,
        "provision": _provision,
        "verify-log": _verify_log,
        "firmware": _firmware,
    }
    try:
        options = _parser().parse_args(arguments)
        code = commands[options.command](options)
        sys.stdout.flush()
    except CtlError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"chargerctl: {line}\n")
        return error.code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code or 0


class _Parser(argparse.ArgumentParser):
    """Wrong usage is an error like any other: one line, exit 1."""

    def error(self, message: str) -> NoReturn:
        raise CtlError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="chargerctl", description="Look at and operate a chargerd charging station.")
    parser.add_argument(
        "--socket", type=Path, help="UNIX socket of the station or bench (default: the station's, then the bench's)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what goes on, live in a terminal")
    status.add_argument("--json", action="store_true", help="one JSON document and no more")
    status.add_argument("--once", action="store_true", help="show it once and end")
    commands.add_parser("why", help="why no energy flows, EVSE by EVSE")
    commands.add_parser("limits", help="the limit table with its winner")
    limit = commands.add_parser("limit", help="limit an EVSE on the spot; it never raises what others allow")
    limit.add_argument("evse", type=int, metavar="EVSE", help="number of the EVSE")
    limit.add_argument("amps", metavar="AMPS", help="per phase, from 0 (none) to 80; 'none' takes the limit away")
    limit.add_argument("--for", type=float, dest="for_s", metavar="SECONDS", help="ends by itself after this time")
    _add_board(commands.add_parser("board", help="check a board file, bring a board up"))
    bench = commands.add_parser("bench", help="operate the simulated world of a running bench")
    bench.add_argument("verb", help="plug-in, plug-out, ev-ready, present-token, limit, fault … ('help' lists them)")
    bench.add_argument("words", nargs="*", default=[], help="its arguments, e.g. EVSE number")
    _add_conformance(commands.add_parser("conformance", help="certification cases against a charger on the desk"))
    _add_identity(commands.add_parser("identity", help="who the station is, whom it trusts, where its keys live"))
    _add_provision(commands.add_parser("provision", help="give a blank device what it proves its identity with"))
    verify = commands.add_parser("verify-log", help="is a security log that was uploaded whole?")
    verify.add_argument("file", type=Path, metavar="FILE", help="as the CSMS received it")
    add_firmware(commands.add_parser("firmware", help="a maker builds, signs and checks updates"))
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="site settings, if any (default %(default)s)"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="the station's state (default: as in the settings)")


def _add_identity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document and no more")
    _add_place(parser)


def _add_provision(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_argument_group("steps, in any number; none: say what is missing")
    steps.add_argument("--csr-out", type=Path, metavar="FILE", help="make a key, write the request to have it signed")
    steps.add_argument("--chain", type=Path, metavar="FILE", help="take the certificate, with those that signed it")
    steps.add_argument("--csms-roots", type=Path, metavar="FILE", help="trust these roots for the CSMS")
    steps.add_argument("--manufacturer-roots", type=Path, metavar="FILE", help="trust these roots for firmware")
    steps.add_argument("--password-out", type=Path, metavar="FILE", help="make a password, leave its only copy here")
    parser.add_argument("--replace", action="store_true", help="make a new key or password although there is one")
    parser.add_argument("--serial", metavar="TEXT", help="serial number for the request (default: the station's)")
    parser.add_argument("--organization", metavar="TEXT", help="O of the request (default: as in the settings)")
    parser.add_argument("--country", metavar="CC", help="C of the request (default: none)")
    parser.add_argument("--keys", choices=["file", "tpm"], help="where the key lives (default: as in the settings)")
    parser.add_argument("--tpm", metavar="TCTI", help="which TPM (default: as in the settings)")
    parser.add_argument(
        "--credential", type=Path, default=CREDENTIAL, metavar="FILE", help="the password's place (default %(default)s)"
    )
    _add_place(parser)


def _add_conformance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "patterns", nargs="*", metavar="CASE", help="by id or pattern (TC_E_*); default: all that apply"
    )
    parser.add_argument("--list", action="store_true", help="say which cases these are, and end")
    parser.add_argument(
        "--listen", default="127.0.0.1:9000", metavar="ADDRESS:PORT", help="the CSMS is here (default %(default)s)"
    )
    parser.add_argument("--password", help="Basic auth password that the charger must have; default: any")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="PEM certificate chain: wss, security profile 2")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key, where it is not in the same file")
    parser.add_argument("--features", type=Path, metavar="FILE", help="what the charger declares (TOML)")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="answers from a file: y, n, s or q, one a line")
    parser.add_argument(
        "--bench", type=Path, metavar="SOCKET", help="simulated charger: its bench does what a person does"
    )
    parser.add_argument("--report", type=Path, metavar="NAME", help="name of the report, .md and .jsonl")


def _add_board(board: argparse.ArgumentParser) -> None:
    commands = board.add_subparsers(dest="board_command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="is this board file right? draws what is wired to what")
    check.add_argument("--svg", type=Path, metavar="FILE", help="also draw it as a picture for documents")
    bring_up = commands.add_parser("bring-up", help="try every device of a board, one by one, and write a report")
    bring_up.add_argument("--only", action="append", metavar="ROLE", help="these devices only (repeatable)")
    bring_up.add_argument("--answers", type=Path, metavar="FILE", help="answers from a file: y, n, s or q, one a line")
    bring_up.add_argument("--report", type=Path, metavar="NAME", help="name of the report, .md and .json")
    bring_up.add_argument("--desk", type=Path, metavar="SOCKET", help="simulated boards: take the plant's verbs here")
    for command in (check, bring_up):
        command.add_argument("file", type=Path, help="board file (TOML)")
        command.add_argument(
            "--run", type=Path, default=RUN_DIR, metavar="DIR", help="where a station would live (default %(default)s)"
        )


def _status(options: argparse.Namespace) -> None:
    path = find_socket(options.socket)
    if options.json:
        print(json.dumps(ask(path, "status"), indent=2))
        return
    colours = wants_colours(os.environ)

    def look(columns: int) -> list[str]:
        return screen(ask(path, "status"), columns=columns, colours=colours)

    if options.once or not may_be_live(os.environ):
        print("\n".join(look(shutil.get_terminal_size().columns)))
    else:
        show_live(look)


def _why(options: argparse.Namespace) -> None:
    for evse in ask(find_socket(options.socket), "status")["evses"]:
        print(f"EVSE {evse['evse_id']}: {'no energy, because' if evse['why_not'] else 'energy may flow'}")
        for reason in evse["why_not"]:
            print(f"  - {reason}")


def _limits(options: argparse.Namespace) -> None:
    for evse in ask(find_socket(options.socket), "status")["evses"]:
        print(f"EVSE {evse['evse_id']}:")
        for line in limit_lines(evse):
            print("  " + line)


def _limit(options: argparse.Namespace) -> None:
    try:
        amps = None if options.amps == "none" else float(options.amps)
    except ValueError as error:
        raise CtlError(f"limit: {options.amps!r} is no number of amps; expected 0 to 80, or 'none'") from error
    request = {"evse": options.evse, "amps": amps, "for_s": options.for_s}
    ask(find_socket(options.socket), "user_limit", request)
    ends = "" if options.for_s is None or amps is None else f" for {options.for_s:g} s"
    print(f"EVSE {options.evse}: {'no limit by users' if amps is None else f'at most {amps:g} A{ends}'}")


def _board(options: argparse.Namespace) -> int:
    from chargerd.ctl import board_commands

    return board_commands.check(options) if options.board_command == "check" else board_commands.bring_up(options)


def _identity(options: argparse.Namespace) -> None:
    from chargerd.ctl.identity import identity

    identity(options)


def _provision(options: argparse.Namespace) -> None:
    from chargerd.ctl.provision import provision

    provision(options)


def _conformance(options: argparse.Namespace) -> int:
    try:
        from chargerd.ctl.conformance_run import conformance
    except ModuleNotFoundError as error:
        raise CtlError(f"{error.name} is missing; install the bench extra: pip install 'chargerd[bench]'") from error
    return conformance(options)


def _verify_log(options: argparse.Namespace) -> int:
    from chargerd.ctl.verify_log import verify_log

    return verify_log(options)


def _firmware(options: argparse.Namespace) -> int:
    from chargerd.ctl import firmware_commands

    return firmware_commands.run(options)


def _bench(options: argparse.Namespace) -> None:
    from chargerd.bench.verbs import VERBS, BenchError, arguments_from_words, find, usage

    if options.verb == "help":
        for verb in VERBS.values():
            print(f"{usage(verb):40} {verb.about}")
        return
    try:
        verb = find(options.verb)
        request = arguments_from_words(verb.name, options.words)
    except BenchError as error:
        raise CtlError(str(error)) from error
    reply = ask(options.socket or bench_socket(), verb.name, request)
    print(json.dumps(reply, indent=2, ensure_ascii=False) if reply else "done")
