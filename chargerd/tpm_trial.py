"""What using the TPM did to this process and to those before it, in a small file beside the keys.

The provider runs inside the station. If it kills the process, or hangs it until the watchdog does, the service manager
starts the station again, and it would run into the same death within seconds, for ever: no message would leave the
queue. So each use is noted before it begins and struck out when it was survived. After DEATHS_ALLOWED uses in a row
that were not, the station runs without the TPM, says so, and tries again only each TRY_AGAIN_S.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from chargerd.codec import CodecError, decode, encode
from chargerd.identity import IdentityError

DEATHS_ALLOWED = 3
TRY_AGAIN_S = 3600.0
"""An hour without a link is a charger that charges offline; a restart each hour is not felt by a driver."""

RESTART_AGAIN_S = 900.0
"""The station restarts itself for the TPM's sake at most this often."""

MAX_RECORD_BYTES = 4096
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The file. Instants are CLOCK_MONOTONIC of the boot `boot_id`; None: not since that boot. `trying`: a use has
    begun and was not survived yet. `deaths`: uses in a row that were not.
    """

    boot_id: str
    trying: bool = False
    deaths: int = 0
    died_mono: float | None = None
    restarted_mono: float | None = None


class Trial:
    """The record in the file `path`, which belongs to one process at a time."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic, boot_id: str | None = None) -> None:
        """`boot_id`: of the running kernel. A record that cannot be read counts as none."""
        self._path = path
        self._monotonic = monotonic
        self._boot_id = boot_id or BOOT_ID.read_text().strip()
        self._record: TrialRecord | None = None
        self._uses = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Before each use; `survived` must follow. Raises IdentityError: too many were not survived."""
        with self._lock:
            record, now_mono = self._known(), self._monotonic()
            again_mono = (record.died_mono or 0.0) + TRY_AGAIN_S
            if record.deaths >= DEATHS_ALLOWED and record.died_mono is not None and now_mono < again_mono:
                raise IdentityError(
                    f"TPM: not used, because the station died {record.deaths} times in a row while it used it; tried"
                    f" again in {max(1, round((again_mono - now_mono) / 60))} min or after the machine starts anew"
                )
            self._uses += 1
            self._keep(msgspec.structs.replace(record, trying=True))

    def survived(self) -> None:
        """A use is over, well or not."""
        with self._lock:
            self._uses -= 1
            if not self._uses:
                self._keep(msgspec.structs.replace(self._known(), trying=False, deaths=0, died_mono=None))

    def may_restart(self) -> bool:
        """Whether the station may restart itself now; True notes that it does."""
        with self._lock:
            record, now_mono = self._known(), self._monotonic()
            if record.restarted_mono is not None and now_mono < record.restarted_mono + RESTART_AGAIN_S:
                return False
            return self._keep(msgspec.structs.replace(record, restarted_mono=now_mono))

    def _known(self) -> TrialRecord:
        """The record; when it is first asked for, with what it says of the process before this one."""
        if self._record is None:
            record = self._read()
            same_boot = record.boot_id == self._boot_id
            self._record = TrialRecord(
                boot_id=self._boot_id,
                deaths=record.deaths + record.trying,
                died_mono=None if not same_boot else self._monotonic() if record.trying else record.died_mono,
                restarted_mono=record.restarted_mono if same_boot else None,
            )
            self._keep(self._record)  # a death is counted once, even if this process does not come to use the TPM
        return self._record

    def _read(self) -> TrialRecord:
        with suppress(OSError, CodecError):
            return decode(TrialRecord, self._path.read_bytes(), max_bytes=MAX_RECORD_BYTES)
        return TrialRecord(boot_id=self._boot_id)

    def _keep(self, record: TrialRecord) -> bool:
        """False: it cannot be written. The TPM is used all the same: a full disk must not cost the link as well."""
        self._record = record
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(record))
            beside.replace(self._path)
        except OSError:
            return False
        return True
