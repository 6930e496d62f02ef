"""A machine to install on: a real Debian with a real systemd as its PID 1, in systemd-nspawn.

The root is made once by mmdebstrap and kept under XDG_CACHE_HOME, named by release and packages. Each boot lays a
volatile layer over it, so nothing of a test stays behind. Our files are bound to where an installer puts them.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

ROOT = Path(__file__).resolve().parents[2]

RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""The Debian release with the Python of our virtual environment, whose packages the machine uses as they are."""

PACKAGES = ("systemd-sysv", "dbus", "python3", "iproute2", "rauc", "rauc-service")

BOOT_BOUND_S = 30.0

REBOOTS = 133
"""The exit code of systemd-nspawn (--keep-unit) for a machine that wants to be started anew."""

LAST_WITHOUT_SYSTEMD = 254
"""Debian 12's 252 boots a container on any host; Debian 13's 257 wants a systemd to register with."""


def why_not_here() -> str | None:
    """Why this machine cannot carry another one, in one line; None: it can."""
    if os.geteuid() != 0:
        return "systemd in a container needs root: run the tests as root (CI does)"
    if sys.version_info[:2] not in RELEASES:
        return f"no Debian release has Python {sys.version_info.major}.{sys.version_info.minor}: use 3.11 or 3.13"
    if nspawn_version() > LAST_WITHOUT_SYSTEMD and not Path("/run/systemd/system").is_dir():
        return f"systemd-nspawn {nspawn_version()} registers with a running systemd, and here it is not PID 1"
    return None


def nspawn_version() -> int:
    """The release of systemd that systemd-nspawn comes from."""
    said = subprocess.run(["systemd-nspawn", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1])


def cached_root() -> Path:
    """The root file system, made when it is not there yet (about half a minute and 250 MB)."""
    release = RELEASES[sys.version_info[:2]]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chargerd-tests"
    root = cache / "-".join((release, *PACKAGES))
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may want it at once; one makes it
        if not root.exists():
            _make_root(root, release)
    return root


def _make_root(root: Path, release: str) -> None:
    unfinished = root.with_name(f"{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", release, str(unfinished)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if made.returncode != 0:
        raise AssertionError(f"mmdebstrap could not make {root}:\n{made.stderr[-2000:]}")
    unfinished.rename(root)


class Machine:
    """One booted machine. Commands run in it as root."""

    def __init__(self, name: str, binds: dict[Path, str], log: Path) -> None:
        """`binds`: what of ours -> where it appears, read-only."""
        with log.open("wb") as output:
            self._nspawn = subprocess.Popen(
                [
                    "systemd-nspawn", "--quiet", f"--directory={cached_root()}", "--volatile=overlay",
                    f"--machine={name}", "--link-journal=no", "--private-network", "--console=pipe",
                    "--register=no", "--keep-unit",
                    *(f"--bind-ro={source}:{target}" for source, target in binds.items()), "--boot",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._log = log
        self.leader = 0
        wait_until(self._is_up, BOOT_BOUND_S, lambda: log.read_text(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The machine's root directory as seen from here: its sockets can be used through it."""
        return Path(f"/proc/{self.leader}/root")

    def run(self, *command: str, check: bool = True) -> str:
        """What a command in the machine prints."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", *command],
            capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, field: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={field}", "--value").strip()

    def main_pid(self, unit: str) -> int:
        """The process of a unit, as numbered in the machine; 0: none."""
        return int(self.show(unit, "MainPID"))

    def kill(self, unit: str, signal_name: str) -> None:
        """Send a signal to the unit's main process."""
        self.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal_name}", unit)

    def journal(self, *match: str) -> list[dict[str, str]]:
        """The journal's entries that match, oldest first, as field -> text; what has been said by now is in it."""
        self.run("journalctl", "--sync")  # a process may be gone before journald has read what it wrote
        lines = self.run("journalctl", "--output=json", "--no-pager", "--quiet", *match).splitlines()
        entries = [msgspec.json.decode(line) for line in lines]
        return [{name: str(value) for name, value in entry.items()} for entry in entries]

    def until_restart(self, bound_s: float) -> None:
        """Wait for the machine to start anew by itself. Here it ends with that; AssertionError after `bound_s`."""
        code = self._nspawn.wait(bound_s)
        assert code == REBOOTS, f"it ended with {code}: {self._log.read_text(errors='replace')}"

    def close(self) -> None:
        """Power off, without manners if need be."""
        if self._nspawn.poll() is None:
            self._nspawn.send_signal(signal.SIGTERM)
            try:
                self._nspawn.wait(15)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()

    def _is_up(self) -> bool:
        assert self._nspawn.poll() is None, self._log.read_text(errors="replace")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self.leader = int(children[0])
        return self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded")


def installed(folder: Path) -> dict[Path, str]:
    """What an installation puts in place, source -> target; what has to be made first is made below `folder`."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name, module in (("chargerd", "chargerd.__main__"), ("chargerctl", "chargerd.ctl")):
        (programs / name).write_text(
            "#!/usr/bin/python3 -I\n"
            "import sys\n"
            'sys.path[:0] = ["/opt/chargerd/src", "/opt/chargerd/lib"]\n'
            f"from {module} import main\n"
            "sys.exit(main())\n"
        )
        (programs / name).chmod(0o755)
    binds = {programs: "/opt/chargerd/bin", Path(sysconfig.get_path("platlib")): "/opt/chargerd/lib"}
    for package in ("chargerd", "hal", "firmware"):
        binds[ROOT / package] = f"/opt/chargerd/src/{package}"
    systemd = ROOT / "systemd"
    for unit in (*systemd.glob("*.service"), *systemd.glob("*.path")):
        binds[unit] = f"/etc/systemd/system/{unit.name}"
    binds[systemd / "encrypted-credentials.conf"] = "/opt/systemd/encrypted-credentials.conf"
    binds[systemd / "chargerd.sysusers"] = "/usr/lib/sysusers.d/chargerd.conf"
    binds[systemd / "chargerd.tmpfiles"] = "/usr/lib/tmpfiles.d/chargerd.conf"
    binds[systemd / "60-chargerd.rules"] = "/usr/lib/udev/rules.d/60-chargerd.rules"
    return binds


def wait_until(condition: Callable[[], bool], bound_s: float, explain: Callable[[], str]) -> float:
    """Until `condition` holds; the seconds it took. AssertionError with `explain()` after `bound_s`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + bound_s, f"not within {bound_s} s:\n{explain()}"
        time.sleep(0.05)
    return time.monotonic() - began
