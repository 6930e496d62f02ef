"""`chargerd`: the device's processes and the bench. Imports only what the chosen command needs, for the control
process must stay small.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. 78: settings, 75: try again, 1: other failures."""
    parser = _parser()
    options = parser.parse_args(arguments)
    run: dict[str, Callable[[argparse.Namespace], int]] = {
        "control": _control,
        "safe-state": _safe_state,
        "board-dropin": _board_dropin,
        "station": _station,
        "bench": _bench,
    }
    return run[options.command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chargerd", description="Open OCPP 2.0.1 charging station controller.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    control = commands.add_parser("control", help="the charging side: owns all devices, knows no network")
    control.add_argument("--board", type=Path, required=True, help="board file (TOML)")
    control.add_argument("--run", type=Path, default=Path("/run/chargerd"), help="directory of the local sockets")
    control.add_argument("--desk", type=Path, help="socket for the simulated plant (simulated boards only)")

    safe = commands.add_parser("safe-state", help="open every contactor, pilots steady, and exit")
    safe.add_argument("--board", type=Path, required=True, help="board file (TOML)")

    dropin = commands.add_parser(
        "board-dropin", help="print the unit drop-in that a board with Modbus TCP devices needs"
    )
    dropin.add_argument("--board", type=Path, required=True, help="board file (TOML)")

    station = commands.add_parser("station", help="the OCPP side: owns the network, knows no devices")
    station.add_argument(
        "--config", type=Path, default=Path("/etc/chargerd/chargerd.toml"), help="site settings (TOML)"
    )
    station.add_argument("--bench", action="store_true", help=argparse.SUPPRESS)

    _add_bench(commands.add_parser("bench", help="both processes on simulated hardware, with a CSMS and a page"))
    return parser


def _add_bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("--board", type=Path, help="board file; default: one simulated EVSE (board-configs/bench.toml)")
    bench.add_argument("--csms", metavar="URL", help="connect to this CSMS (ws:// or wss://); default: an embedded one")
    bench.add_argument("--ca-file", type=Path, help="PEM roots for the certificate of --csms wss://…")
    bench.add_argument("--identity", default="CHARGERD-BENCH", help="station identity (default %(default)s)")
    bench.add_argument("--password", help="Basic auth password; default: a fresh one for the embedded CSMS")
    bench.add_argument(
        "--state", type=Path, metavar="DIR", help="keep state here, over restarts; default: a temporary one"
    )
    bench.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COMPONENT[INSTANCE].VARIABLE[INSTANCE]=VALUE",
        help="device model value to start with (repeatable)",
    )
    bench.add_argument("--control", type=Path, metavar="SOCKET", help="also take commands on this UNIX socket")
    bench.add_argument(
        "--page", default="8080", metavar="PORT|none", help="the bench page on loopback (default %(default)s)"
    )
    bench.add_argument(
        "--scenario", type=Path, metavar="FILE", help="play this scenario, print what happened, exit 0 or 1"
    )


def _control(options: argparse.Namespace) -> int:
    from chargerd.control import main_control

    return main_control(options)


def _safe_state(options: argparse.Namespace) -> int:
    from chargerd.control import main_safe_state

    return main_safe_state(options)


def _board_dropin(options: argparse.Namespace) -> int:
    from chargerd.control import main_board_dropin

    return main_board_dropin(options)


def _station(options: argparse.Namespace) -> int:
    from chargerd.daemon import main_station

    return main_station(options)


def _bench(options: argparse.Namespace) -> int:
    try:
        from chargerd.bench.run import main_bench
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"chargerd bench: {error.name} is missing; install the bench extra: pip install 'chargerd[bench]'\n"
        )
        return 1
    return main_bench(options)


if __name__ == "__main__":
    sys.exit(main())
