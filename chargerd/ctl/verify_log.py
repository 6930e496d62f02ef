"""`chargerctl verify-log`: is the security log that a CSMS received whole? It works anywhere, without a station."""

import argparse
import sys

from chargerd.ctl.asking import CtlError
from chargerd.ocpp.security_log import verified

MAX_BYTES = 16 * 1024 * 1024
"""Many times the longest log there can be."""


def verify_log(options: argparse.Namespace) -> int:
    """Say what the log in `options.file` says of itself; 1, and what is wrong on stderr, when its chain does not hold.

    Raises CtlError for a file that cannot be read.
    """
    try:
        with options.file.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CtlError(f"{options.file}: longer than {MAX_BYTES} bytes; no security log is")
        what, complaints = verified(content.decode())
    except UnicodeDecodeError as error:
        raise CtlError(f"{options.file}: not a text in UTF-8") from error
    except OSError as error:
        raise CtlError(f"{options.file}: {error.strerror or error}") from error
    for complaint in complaints:
        sys.stderr.write(f"{options.file}: {complaint}\n")
    if complaints:
        return 1
    print(f"{options.file}: {what}\nthe chain holds; a later log must have the same hash at the same row")
    return 0
