"""`make sim SEED=... N=...`: tell stories, show progress, stop at the first that goes wrong."""

import argparse
import sys
import time

from tests.sim.story import tell_story


def main() -> int:
    """0 when all stories ended well, 1 with the seed and the diary of the first that did not."""
    parser = argparse.ArgumentParser(prog="make sim")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="how many stories")
    options = parser.parse_args()
    began = time.monotonic()
    for number in range(options.count):
        seed = options.seed + number
        try:
            tell_story(seed)
        except AssertionError as error:
            sys.stderr.write(f"\n{error}\n")
            return 1
        if sys.stderr.isatty() or number % 25 == 24:
            sys.stderr.write(f"\r{number + 1} of {options.count} stories, {time.monotonic() - began:.0f} s")
            sys.stderr.flush()
    sys.stderr.write(f"\nall {options.count} stories ended well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
