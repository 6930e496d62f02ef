"""What a process owes its service manager: readiness, a watchdog earned by work, a log that never stalls, credentials,
an exit code that says whether to start it again.

Everything here works without systemd as well: nobody is notified, and the log goes to stderr.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import msgspec
import systemd.daemon

EXIT_FAILED = 1
EXIT_TRY_AGAIN = 75
EXIT_CONFIG = 78
"""EX_TEMPFAIL and EX_CONFIG of sysexits: starting again can help, or changes nothing (RestartPreventExitStatus=78)."""

MAX_LOG_LINES_WAITING = 1000
"""Lines that may wait for a slow journal or pipe; further ones are counted and dropped, the callers go on."""

MAX_LOG_CHARACTERS = 2000
"""Longer lines are cut: what the CSMS sends may be quoted, not copied into the log."""

LOG_FLUSH_BOUND_S = 1.0
"""How long the end of a process waits for its last lines to leave."""

MAX_CREDENTIAL_BYTES = 64 * 1024

FEEDS_PER_TIMEOUT = 4
"""The watchdog is fed this often in its timeout: sd_watchdog_enabled(3) advises twice, so a late feed does no harm."""


CLOCK_WAS_SET = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file when a time server has set the clock for the first time since boot."""


class CredentialError(Exception):
    """A credential is there and cannot be used. Says which file and what to do."""


# ------------------------------------------------------------------ notifications


def notify(message: str) -> bool:
    """Tell the service manager (sd_notify(3)). False: there is none, or it did not take it; no reason to stop."""
    try:
        return bool(systemd.daemon.notify(message))
    except OSError:
        return False


def ready(text: str) -> None:
    """Start-up is complete: the promises of the unit hold from now on."""
    notify(f"READY=1\nSTATUS={_one_line(text)}")


def status(text: str) -> None:
    """What `systemctl status` shows beside the process."""
    notify(f"STATUS={_one_line(text)}")


def stopping(text: str) -> None:
    """The process has begun to stop."""
    notify(f"STOPPING=1\nSTATUS={_one_line(text)}")


def follows_time_server(sign: Path = CLOCK_WAS_SET) -> bool:
    """Whether the machine's clock has been set by a time server; False: nobody says so."""
    return sign.exists()


# ------------------------------------------------------------------ watchdog


class Progress:
    """Who must show progress before the watchdog may be fed again. A free-running timer would prove nothing."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)
        self._owing = set(names)

    def moved(self, name: str) -> None:
        """`name` did a piece of its work."""
        assert name in self._names, f"can't happen because {name!r} is not one of {sorted(self._names)}"
        self._owing.discard(name)

    def owing(self) -> frozenset[str]:
        """Who has not moved since the last `begin`."""
        return frozenset(self._owing)

    def begin(self) -> None:
        """From here on everybody has to move again."""
        self._owing = set(self._names)


class Watchdog:
    """Feeds the service manager's watchdog, if it keeps one for this process, whenever all of `progress` moved."""

    def __init__(self, progress: Progress) -> None:
        self.timeout_s = watchdog_timeout_s()
        self._progress = progress
        self._due_mono = float("-inf")

    def feed(self, now_mono: float) -> bool:
        """Call this often; it notifies when a feed is due and earned. True: it did."""
        if self.timeout_s is None or now_mono < self._due_mono or self._progress.owing():
            return False
        self._due_mono = now_mono + self.timeout_s / FEEDS_PER_TIMEOUT
        self._progress.begin()
        return notify("WATCHDOG=1")


def watchdog_timeout_s() -> float | None:
    """WatchdogSec of our unit in seconds; None: nobody watches this process (sd_watchdog_enabled(3))."""
    try:
        timeout_us = int(os.environ["WATCHDOG_USEC"])
        watched_pid = int(os.environ.get("WATCHDOG_PID", os.getpid()))
    except (KeyError, ValueError):
        return None
    return timeout_us / 1e6 if timeout_us > 0 and watched_pid == os.getpid() else None


async def feed_watchdog(progress: Progress) -> None:
    """`Watchdog.feed` as a task that never ends, for a process that runs on asyncio."""
    import asyncio  # noqa: PLC0415  the control process uses this file too and does without asyncio

    watchdog = Watchdog(progress)
    while True:
        watchdog.feed(time.monotonic())
        await asyncio.sleep((watchdog.timeout_s or 40.0) / FEEDS_PER_TIMEOUT / 2)


# ------------------------------------------------------------------ credentials


def credential(name: str) -> str | None:
    """The credential `name` (LoadCredential= of the unit) without its last line end; None: it was not given."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return None
    path = Path(directory, name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CREDENTIAL_BYTES + 1)
        if len(content) > MAX_CREDENTIAL_BYTES:
            raise CredentialError(f"{path}: larger than {MAX_CREDENTIAL_BYTES} bytes; is it the right file?")
        return content.decode().removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        return None
    except OSError as e:
        raise CredentialError(f"{path}: {e.strerror}; check LoadCredential= of the unit") from e
    except UnicodeDecodeError as e:
        raise CredentialError(f"{path}: not UTF-8 text; write it again as plain text") from e


# ------------------------------------------------------------------ log


def printable(text: str) -> str:
    """`text` as one line without anything that a terminal or a reader of logs takes for more than text."""
    shown = text if len(text) <= MAX_LOG_CHARACTERS else f"{text[:MAX_LOG_CHARACTERS]}…"
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in shown)


class LineFormatter(logging.Formatter):
    """What others sent stays in its line, whatever it holds; the lines of a traceback are set in."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        text = printable(record.getMessage())
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            text = "\n  ".join([text, *(printable(line) for line in trace)])
        return text


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One log record, formatted. `fields` of the journal are made of it where there is one."""

    level: int
    area: str
    message: str
    file: str
    line: int
    function: str


class LogWriter(logging.Handler):
    """Hands lines to a thread of its own, so that a full pipe or a slow journal never stalls the one who logs."""

    def __init__(self, identifier: str, to_journal: bool) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self._identifier = identifier
        self._to_journal = to_journal
        self._waiting: SimpleQueue[LogLine | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        if self._waiting.qsize() >= MAX_LOG_LINES_WAITING:
            self._dropped += 1
            return
        message = self.format(record)
        self._waiting.put(
            LogLine(record.levelno, record.name, message, record.pathname, record.lineno, record.funcName or "")
        )

    def flush_and_stop(self, bound_s: float = LOG_FLUSH_BOUND_S) -> bool:
        """Write what waits and end the thread, within `bound_s`. False: the reader of the log hangs."""
        self._waiting.put(None)
        self._thread.join(bound_s)
        return not self._thread.is_alive()

    def _write_all(self) -> None:
        write = _journal_writer(self._identifier) if self._to_journal else _write_to_stderr
        while (line := self._waiting.get()) is not None:
            write(line)
            if self._waiting.empty():
                self._tell_dropped(write)
        self._tell_dropped(write)

    def _tell_dropped(self, write: Callable[[LogLine], None]) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            write(LogLine(logging.WARNING, "log", f"{dropped} lines dropped (the log is read too slowly)", "", 0, ""))


def set_up_logging(identifier: str, level: int = logging.INFO) -> LogWriter:
    """Send all logging of this process through one LogWriter, flushed at exit. Call it once, from `main`."""
    writer = LogWriter(identifier, is_stderr_the_journal())
    logging.basicConfig(handlers=[writer], level=level, force=True)
    atexit.register(writer.flush_and_stop)
    return writer


def is_stderr_the_journal() -> bool:
    """Whether stderr is connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


def _journal_writer(identifier: str) -> Callable[[LogLine], None]:
    import systemd.journal  # noqa: PLC0415  costs 2 MB and 5 ms, only in this thread and only under systemd

    def write(line: LogLine) -> None:
        with suppress(OSError):
            systemd.journal.send(
                f"{line.area}: {line.message}",
                CODE_FILE=line.file,
                CODE_LINE=line.line,
                CODE_FUNC=line.function,
                PRIORITY=_priority(line.level),
                SYSLOG_IDENTIFIER=identifier,
                CHARGERD_AREA=line.area,
            )

    return write


def _write_to_stderr(line: LogLine) -> None:
    """Past sys.stderr: a thread killed while it holds that stream's lock would abort the whole process at its end."""
    stamp = time.strftime("%H:%M:%S")
    with suppress(OSError):
        os.write(2, f"{stamp} {logging.getLevelName(line.level).lower()} {line.area}: {line.message}\n".encode())


def _priority(level: int) -> int:
    """The syslog priority of a logging level: err 3, warning 4, info 6, debug 7."""
    if level >= logging.ERROR:
        return 3
    if level >= logging.WARNING:
        return 4
    return 6 if level >= logging.INFO else 7


def _one_line(text: str) -> str:
    return " ".join(text.split())
