"""Real RAUC on a bus of its own: two slots that are files, and a boot loader that is a shell script.

As with U-Boot, what is made primary gets its tries back, and what is bad is passed over.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import msgspec

from firmware.bundle import Kind
from firmware.disk import Folder
from firmware.place import Installer, Place
from firmware.rauc import PROGRAM, Rauc
from tests.firmware.kit import key_list, make, manifest_of, settings_in

IMAGE_BYTES = 400_000
COMPATIBLE = "acme-charger"

_BOOT_LOADER = """#!/bin/sh
cd {folder}/boot
# A test may hold it where RAUC is about to write a slot.
while [ "$1 $3" = "set-state bad" ] && [ -e hold ]; do touch held; sleep 0.02; done
case $1 in
    get-primary) cat primary ;;
    set-primary) echo $2 > primary.new && mv primary.new primary && echo good > state-$2 ;;
    get-state) cat state-$2 ;;
    set-state) echo $3 > state-$2.new && mv state-$2.new state-$2 ;;
    *) exit 1 ;;
esac
"""

_CONFIGURATION = """[system]
compatible={compatible}
bootloader=custom
mountprefix={folder}/mnt
statusfile={folder}/status
activate-installed={activate}
{formats}
[handlers]
bootloader-custom-backend={folder}/boot-loader
[keyring]
path={folder}/maker.crt
check-purpose=codesign
[slot.rootfs.0]
device={folder}/A.img
type=raw
bootname=A
[slot.rootfs.1]
device={folder}/B.img
type=raw
bootname=B
"""


def why_not_here() -> str | None:
    """Why RAUC cannot be run on this machine, in one line; None: it can."""
    if os.geteuid() != 0:
        return "RAUC mounts bundles, which needs root: run the tests as root (CI does)"
    missing = [name for name in ("rauc", "dbus-daemon", "mksquashfs", "openssl") if shutil.which(name) is None]
    return f"{', '.join(missing)} missing: tools/setup.sh dev" if missing else None


def image(version: int) -> bytes:
    """A system of some size, which no compression makes smaller."""
    return random.Random(version).randbytes(IMAGE_BYTES)


class RaucMachine:
    """A device with RAUC. It is booted from slot A with version 1; `boot` starts it anew."""

    def __init__(self, folder: Path, *, activate: bool = False, formats: str = "", bus: str = "--session") -> None:
        """`activate`, `formats`: lines of RAUC's own configuration; `bus`: which configuration the bus has."""
        self.folder = folder
        for name in ("boot", "state", "slots", "run"):
            (folder / name).mkdir()
        self._make_certificate("maker")
        (folder / "A.img").write_bytes(image(1))
        (folder / "B.img").write_bytes(bytes(IMAGE_BYTES))
        for name, text in (("primary", "A"), ("state-A", "good"), ("state-B", "good")):
            (folder / "boot" / name).write_text(f"{text}\n")
        (folder / "boot-loader").write_text(_BOOT_LOADER.format(folder=folder))
        (folder / "boot-loader").chmod(0o755)
        (folder / "system.conf").write_text(
            _CONFIGURATION.format(
                folder=folder, compatible=COMPATIBLE, activate="true" if activate else "false", formats=formats
            )
        )
        self._bus = subprocess.Popen(
            ["dbus-daemon", bus, "--nofork", "--print-address=1", f"--address=unix:tmpdir={tempfile.gettempdir()}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._bus.stdout is not None
        self.environment = {
            "DBUS_STARTER_BUS_TYPE": "session",
            "DBUS_SESSION_BUS_ADDRESS": self._bus.stdout.readline().strip(),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        self.rauc = Rauc(self.environment)
        self.service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.boot("A")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.switch_off()
        self._bus.terminate()
        self._bus.wait(10)
        if self._bus.stdout is not None:
            self._bus.stdout.close()

    def place(self) -> Place:
        """What the updater opens."""
        settings = msgspec.structs.replace(settings_in(self.folder), installer=Installer.RAUC, rauc_plain=True)
        return Place(settings, Folder(self.folder / "slots"), Folder(self.folder / "state"), key_list())

    def boot(self, slot: str) -> None:
        """Power off, and a start from this slot."""
        self.switch_off()
        with (self.folder / "service.log").open("ab") as log:
            self.service = subprocess.Popen(
                [PROGRAM, f"--conf={self.folder}/system.conf", "service", f"--override-boot-slot={slot}"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        give_up = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < give_up, (self.folder / "service.log").read_text(errors="replace")
            time.sleep(0.02)

    def switch_off(self) -> None:
        """Without manners: SIGKILL. What it had mounted is gone, as after a power cut."""
        if self.service is None:
            return
        self.service.kill()
        self.service.wait(10)
        self.service = None
        subprocess.run(["umount", "-q", "-l", f"{self.folder}/mnt/bundle"], check=False, capture_output=True)
        give_up = time.monotonic() + 10
        while self._answers():  # the bus may not have seen yet that it is gone
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def kill(self) -> None:
        """RAUC's service, whatever it is doing."""
        if self.service is not None:
            self.service.kill()

    def choice(self) -> str:
        """What the boot loader would start."""
        primary = self.boot_file("primary")
        other = "B" if primary == "A" else "A"
        return primary if self.boot_file(f"state-{primary}") == "good" else other

    def boot_file(self, name: str) -> str:
        """What the boot loader has stored."""
        return (self.folder / "boot" / name).read_text().strip()

    def slot(self, name: str) -> bytes:
        """What is in a slot."""
        return (self.folder / f"{name}.img").read_bytes()

    def rauc_bundle(
        self, version: int = 2, *, signer: str = "maker", compatible: str = COMPATIBLE, verity: bool = False
    ) -> bytes:
        """What RAUC's own tool makes."""
        source, made = self.folder / "source", self.folder / "made.raucb"
        shutil.rmtree(source, ignore_errors=True)
        made.unlink(missing_ok=True)
        source.mkdir()
        (source / "system.img").write_bytes(image(version))
        (source / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}.0.0\n[image.rootfs]\nfilename=system.img\n"
            + "[bundle]\nformat=verity\n" * verity
        )
        if not (self.folder / f"{signer}.key").exists():
            self._make_certificate(signer)
        _run(
            PROGRAM, f"--cert={self.folder}/{signer}.crt", f"--key={self.folder}/{signer}.key", "bundle",
            str(source), str(made),
        )  # fmt: skip
        return made.read_bytes()

    def bundle(self, payload: bytes | None = None, **changes: object) -> bytes:
        """Ours around RAUC's."""
        payload = self.rauc_bundle() if payload is None else payload
        return make(payload, manifest_of(payload, kind=Kind.RAW, **changes))

    def _make_certificate(self, name: str) -> None:
        _run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/O={name}/CN={name}", "-addext", "extendedKeyUsage=codeSigning",
            "-keyout", f"{self.folder}/{name}.key", "-out", f"{self.folder}/{name}.crt",
        )  # fmt: skip

    def _answers(self) -> bool:
        done = subprocess.run(
            ["dbus-send", f"--bus={self.environment['DBUS_SESSION_BUS_ADDRESS']}", "--print-reply=literal",
             "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:de.pengutronix.rauc"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "true" in done.stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
