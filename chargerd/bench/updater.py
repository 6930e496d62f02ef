"""The updater on the bench: `python -m chargerd.bench.updater DESCRIPTOR SETTINGS`, started as systemd would do it."""

import os
import sys

from firmware.__main__ import main
from firmware.updater import LISTEN_FD


def main_updater(descriptor: str, settings: str) -> int:
    """Its exit code. `descriptor`: of the socket that listens."""
    os.dup2(int(descriptor), LISTEN_FD)
    os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "1"
    return main(["updater", "--settings", settings])


if __name__ == "__main__":
    sys.exit(main_updater(*sys.argv[1:]))
