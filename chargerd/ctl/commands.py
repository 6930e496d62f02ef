"""The commands of `chargerctl`, each a few lines: ask, show, say in one line what was wrong."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from chargerd.ctl.asking import CtlError, ask, bench_socket, find_socket
from chargerd.ctl.live import may_be_live, show_live, wants_colours
from chargerd.ctl.screen import limit_lines, screen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 with one line on stderr when it did not."""
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "status": _status,
        "why": _why,
        "limits": _limits,
        "limit": _limit,
        "board": _board,
        "bench": _bench,
    }
    try:
        options = _parser().parse_args(arguments)
        commands[options.command](options)
        sys.stdout.flush()
    except CtlError as error:
        sys.stderr.write(f"chargerctl: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


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
    board = commands.add_parser("board", help="work with board files")
    board_commands = board.add_subparsers(dest="board_command", required=True, metavar="COMMAND")
    check = board_commands.add_parser("check", help="is this board file right?")
    check.add_argument("file", type=Path)
    bench = commands.add_parser("bench", help="operate the simulated world of a running bench")
    bench.add_argument("verb", help="plug-in, plug-out, ev-ready, present-token, limit, fault … ('help' lists them)")
    bench.add_argument("words", nargs="*", default=[], help="its arguments, e.g. EVSE number")
    return parser


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
            print(f"{usage(verb):40} {verb.about}")
        return
    try:
        verb = find(options.verb)
        request = arguments_from_words(verb.name, options.words)
    except BenchError as error:
        raise CtlError(str(error)) from error
    reply = ask(options.socket or bench_socket(), verb.name, request)
    print(json.dumps(reply, indent=2, ensure_ascii=False) if reply else "done")
