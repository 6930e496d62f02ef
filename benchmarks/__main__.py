"""`python -m benchmarks`: all of them, about twelve minutes; the table on standard output, progress beside it."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from benchmarks import firmware, keys, lateness, messages, queue, reaction, start, updates
from benchmarks.machine import this_machine
from benchmarks.table import Row, as_text, write_into

BUSY = 0.5
"""A load average above this before the first measurement is worth a warning."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures, and prints the table.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table into this document")
    options = parser.parse_args()
    machine = this_machine()
    if machine.load > BUSY:
        _progress(f"the machine is busy (load average {machine.load:.2f}): the figures will be worse than they need be")
    text = f"{machine}\n\n{as_text(_rows())}"
    sys.stdout.write(text + "\n")
    if options.write is not None:
        write_into(options.write, text)


def _rows() -> list[Row]:
    rows = messages.rows(asyncio.run(messages.measure(_progress)))
    rows += start.rows_of_starts(start.measure_starts(_progress))
    for board, evses in (("bench.toml", 1), ("bench-dual.toml", 2)):
        rows += start.rows_of_cost(start.measure_cost(board, evses, _progress))
    rows += keys.rows(keys.measure(_progress))
    rows += queue.rows(queue.measure(_progress))
    rows += firmware.rows(firmware.measure(_progress))
    rows += firmware.rows_of_staging(firmware.measure_staging(_progress))
    rows += updates.rows(updates.measure(_progress))
    rows += reaction.rows(reaction.measure(_progress))
    _progress(f"lateness under load, {2 * lateness.LOAD_S:.0f} s")
    return rows + lateness.rows(lateness.measure())


_began_mono = time.monotonic()


def _progress(text: str) -> None:
    sys.stderr.write(f"[{time.monotonic() - _began_mono:4.0f} s] {text}\n")


if __name__ == "__main__":
    os.environ.pop("NOTIFY_SOCKET", None)
    main()
