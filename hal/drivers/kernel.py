"""The system calls that drivers of character devices need, as values: a test puts a simulated device behind them."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kernel:
    """Open, control, read, write and close, as in `os` and `fcntl`; each raises OSError."""

    open: Callable[[str, int], int] = os.open
    ioctl: Callable[[int, int, Any], Any] = fcntl.ioctl
    read: Callable[[int, int], bytes] = os.read
    write: Callable[[int, bytes], int] = os.write
    close: Callable[[int], None] = os.close


LINUX = Kernel()
"""The real one."""
