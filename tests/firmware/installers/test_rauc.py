"""The three verbs with real RAUC: what is installed, what is refused, and what a power cut leaves."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from firmware import slots
from firmware.errors import FirmwareError, Refusal
from firmware.installers.rauc import BUNDLE, RaucUpdating, find_started, write_head
from firmware.launcher import launch
from firmware.place import read_started
from firmware.rauc import PROGRAM, Rauc
from firmware.slots import Name, State
from firmware.updater import Updater
from tests.firmware.kit import OLD, MemoryFile
from tests.firmware.rauc_machine import RaucMachine, image, why_not_here
from tests.systemd.machine import ROOT

pytestmark = [
    pytest.mark.system,
    pytest.mark.xdist_group("rauc"),
    pytest.mark.skipif(why_not_here() is not None, reason=str(why_not_here())),
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RaucMachine]:
    """Version 1 runs in slot a, and the maker has put its head beside it."""
    with RaucMachine(tmp_path) as machine:
        prepare(machine)
        yield machine


def prepare(machine: RaucMachine) -> None:
    old = machine.bundle(machine.rauc_bundle(1), **OLD)
    write_head(machine.place().slots, Name.A, old[: old.index(b"hsqs")])


def updating(machine: RaucMachine, rauc: Rauc | None = None) -> RaucUpdating:
    return RaucUpdating(machine.place(), rauc or machine.rauc, lambda: 0.0)


def stage(machine: RaucMachine, content: bytes) -> str:
    with MemoryFile(content) as file:
        return updating(machine).stage(file).manifest_sha256


def refused(machine: RaucMachine, content: bytes) -> FirmwareError:
    """Why; and nothing has changed of what would be started."""
    with pytest.raises(FirmwareError) as caught:
        stage(machine, content)
    assert machine.choice() == "A"
    assert machine.slot("A") == image(1)
    assert not (machine.folder / "slots" / BUNDLE).exists()
    return caught.value


def test_from_one_version_to_the_next_and_it_stays(machine: RaucMachine) -> None:
    staged = stage(machine, machine.bundle())
    assert machine.slot("B") == image(2)
    assert (machine.choice(), machine.boot_file("primary")) == ("A", "A")
    updating(machine).activate(staged)
    assert machine.choice() == "B"
    machine.boot("B")
    started = find_started(machine.place(), machine.rauc)
    assert (started.slot, started.version, started.manifest_sha256, started.notes) == (Name.B, "2.0.0", staged, ())
    assert machine.place().floor.read() == 0
    updating(machine).mark_good()
    assert machine.boot_file("state-B") == "good"
    assert machine.place().floor.read() == 2
    assert machine.place().record().b.state is State.GOOD


def test_the_boot_loader_goes_back_and_the_slot_is_given_up(machine: RaucMachine) -> None:
    updating(machine).activate(stage(machine, machine.bundle()))
    assert find_started(machine.place(), machine.rauc).notes == ()  # the machine has not been started since
    assert machine.place().record().b.state is State.ON_TRIAL
    (machine.folder / "boot/state-B").write_text("bad\n")  # its tries ran out
    assert machine.choice() == "A"
    machine.boot("A")
    started = find_started(machine.place(), machine.rauc)
    assert (started.slot, started.version) == (Name.A, "1.0.0")
    assert started.notes == ("slot b: the boot loader went back from it",)
    assert machine.place().record().b.state is State.BAD
    assert find_started(machine.place(), machine.rauc).notes == ()
    assert machine.place().floor.read() == 0


def test_what_runs_on_trial_spares_the_slot_to_fall_back_on(machine: RaucMachine) -> None:
    updating(machine).activate(stage(machine, machine.bundle()))
    machine.boot("B")
    with pytest.raises(FirmwareError, match="on-trial"):
        stage(machine, machine.bundle(machine.rauc_bundle(3)))
    assert machine.slot("A") == image(1)
    updating(machine).mark_good()
    stage(machine, machine.bundle(machine.rauc_bundle(3)))
    assert machine.slot("A") == image(3)


def test_what_rauc_refuses_is_told_with_its_reason(machine: RaucMachine) -> None:
    other_signer = refused(machine, machine.bundle(machine.rauc_bundle(signer="somebody")))
    assert other_signer.refusal is Refusal.INSTALLER_FAILED
    assert "signature" in other_signer.why
    incompatible = refused(machine, machine.bundle(machine.rauc_bundle(compatible="other-charger")))
    assert incompatible.refusal is Refusal.INSTALLER_FAILED
    assert "ompatible" in incompatible.why
    tampered = bytearray(machine.rauc_bundle())
    tampered[5000] ^= 1
    assert refused(machine, machine.bundle(bytes(tampered))).refusal is Refusal.INSTALLER_FAILED
    assert machine.place().record().b.state is State.EMPTY


def test_what_we_refuse_rauc_never_sees(machine: RaucMachine) -> None:
    before = machine.slot("B")
    good = machine.bundle()
    tampered = bytearray(good)
    tampered[-5000] ^= 1
    assert refused(machine, bytes(tampered)).refusal is Refusal.BAD_CHUNK
    assert refused(machine, machine.bundle(product="other")).refusal is Refusal.WRONG_PRODUCT
    assert refused(machine, good[:-1]).refusal is Refusal.TRUNCATED
    assert refused(machine, machine.bundle(b"no bundle" * 1000)).refusal is Refusal.MALFORMED
    machine.place().floor.raise_to(3)
    assert refused(machine, good).refusal is Refusal.ROLLED_BACK
    assert machine.slot("B") == before
    assert machine.place().record() == slots.UNKNOWN
    assert b"nstall" not in (machine.folder / "service.log").read_bytes()


def test_the_format_plain_is_for_tests_only(machine: RaucMachine) -> None:
    place = machine.place()
    place.settings = msgspec.structs.replace(place.settings, rauc_plain=False)
    production = RaucUpdating(place, machine.rauc, lambda: 0.0)
    with MemoryFile(machine.bundle()) as file, pytest.raises(FirmwareError, match="wrong-kind"):
        production.stage(file)
    assert machine.slot("B") == bytes(len(image(2)))
    # A bundle of the format verity reaches RAUC, and is installed where the kernel has dm-verity.
    with MemoryFile(machine.bundle(machine.rauc_bundle(verity=True))) as file:
        if not Path("/dev/mapper/control").exists():
            with pytest.raises(FirmwareError, match=r"installer-failed: .*/dev/mapper/control"):
                production.stage(file)
            return
        production.stage(file)
        assert machine.slot("B") == image(2)


def test_rauc_can_refuse_plain_too(tmp_path: Path) -> None:
    with RaucMachine(tmp_path, formats="bundle-formats=-plain") as machine:
        prepare(machine)
        assert "plain" in refused(machine, machine.bundle()).why


def test_a_rauc_that_activates_by_itself_is_put_right(tmp_path: Path) -> None:
    with RaucMachine(tmp_path, activate=True) as machine:
        prepare(machine)
        staged = stage(machine, machine.bundle())
        assert (machine.slot("B"), machine.choice()) == (image(2), "A")
        updating(machine).activate(staged)
        assert machine.choice() == "B"


def test_only_what_was_staged_is_activated(machine: RaucMachine) -> None:
    with pytest.raises(FirmwareError, match="nothing-staged"):
        updating(machine).activate("a" * 64)
    staged = stage(machine, machine.bundle())
    with pytest.raises(FirmwareError, match="nothing-staged"):
        updating(machine).activate("a" * 64)
    other = machine.bundle(machine.rauc_bundle(3))
    write_head(machine.place().slots, Name.B, other[: other.index(b"hsqs")])
    with pytest.raises(FirmwareError, match="slot-damaged"):
        updating(machine).activate(staged)
    assert machine.choice() == "A"


def test_a_mark_that_fails_leaves_the_slot_staged(machine: RaucMachine) -> None:
    staged = stage(machine, machine.bundle())
    loader = machine.folder / "boot-loader"
    loader.write_text(loader.read_text().replace("set-primary)", "other)"))
    with pytest.raises(FirmwareError, match="installer-failed"):
        updating(machine).activate(staged)
    assert machine.place().record().b.state is State.STAGED
    assert machine.choice() == "A"


def test_the_updater_takes_rauc_by_its_settings(machine: RaucMachine) -> None:
    updater = Updater(machine.place(), lambda _: None, rauc=machine.rauc)
    with MemoryFile(machine.bundle()) as file:
        staged = updater.answer(0, b'{"verb": "stage"}', [file])
    assert (staged.refusal, staged.version) == ("", "2.0.0")
    assert updater.answer(0, b'{"verb": "mark-good"}', []).version == "1.0.0"
    machine.switch_off()
    assert updater.answer(0, b'{"verb": "mark-good"}', []).refusal == "installer-failed"


def test_the_launcher_says_what_the_boot_loader_started(machine: RaucMachine) -> None:
    started = launch(machine.place(), [], machine.rauc)
    assert read_started(machine.place().settings) == started
    assert (started.slot, started.version) == (Name.A, "1.0.0")
    assert [path.name for path in (machine.folder / "run").iterdir()] == ["started.json"]
    machine.switch_off()
    with pytest.raises(FirmwareError, match="installer-failed"):
        launch(machine.place(), [], machine.rauc)
    assert list((machine.folder / "run").iterdir()) == []


def test_what_a_power_cut_left_undone_is_finished_at_the_next_start(machine: RaucMachine) -> None:
    updating(machine).activate(stage(machine, machine.bundle()))
    machine.boot("B")
    place = machine.place()
    place.save(slots.confirmed(place.record(), Name.B))  # marked good, and cut before the floor rose
    find_started(place, machine.rauc)
    assert place.floor.read() == 2


# ---- the power goes, or a process ----


def test_at_whatever_moment_rauc_dies_what_ran_is_started_again(machine: RaucMachine) -> None:
    content = machine.bundle()
    ended: set[str] = set()
    for delay_s in (0.01, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2):
        killer = threading.Timer(delay_s, machine.kill)
        killer.start()
        try:
            stage(machine, content)
            ended.add("staged")
        except FirmwareError as cut:
            ended.add(cut.refusal)
        killer.join()
        assert machine.choice() == "A"
        assert machine.slot("A") == image(1)
        machine.boot("A")
        find_started(machine.place(), machine.rauc)
    assert Refusal.INSTALLER_FAILED in ended
    assert ended <= {"staged", Refusal.INSTALLER_FAILED}
    updating(machine).activate(stage(machine, content))
    assert (machine.slot("B"), machine.choice()) == (image(2), "B")


UPDATER = """
import os, sys
from pathlib import Path
import msgspec
from firmware.disk import Folder
from firmware.installers.rauc import RaucUpdating
from firmware.place import Installer, Place
from firmware.rauc import PROGRAM, Rauc
from tests.firmware.kit import key_list, settings_in
folder = Path(sys.argv[1])
settings = msgspec.structs.replace(settings_in(folder), installer=Installer.RAUC, rauc_plain=True)
place = Place(settings, Folder(folder / "slots"), Folder(folder / "state"), key_list())
RaucUpdating(place, Rauc(os.environ), lambda: 0.0).stage(os.open(folder / "bundle", os.O_RDONLY))
"""


def test_an_updater_that_is_killed_leaves_a_slot_that_nobody_starts(machine: RaucMachine) -> None:
    (machine.folder / "bundle").write_bytes(machine.bundle())
    held = machine.folder / "boot/held"
    (machine.folder / "boot/hold").touch()
    updater = subprocess.Popen(
        [sys.executable, "-c", UPDATER, str(machine.folder)], env=machine.environment, stdin=subprocess.DEVNULL
    )
    wait_for(held.exists)
    assert (machine.folder / "slots" / BUNDLE).stat().st_mode & 0o777 == 0o600
    updater.kill()
    updater.wait(10)
    assert machine.place().record().b.state is State.EMPTY
    with pytest.raises(FirmwareError, match="installer-failed"):
        stage(machine, machine.bundle(machine.rauc_bundle(3)))  # RAUC is still at it
    (machine.folder / "boot/hold").unlink()
    wait_for(lambda: machine.slot("B") == image(2))
    assert machine.choice() == "A"
    with pytest.raises(FirmwareError, match="nothing-staged"):
        updating(machine).activate(machine.place().record().b.manifest_sha256 or "a" * 64)
    machine.boot("A")
    stage(machine, machine.bundle(machine.rauc_bundle(3)))
    assert (machine.slot("B"), machine.choice()) == (image(3), "A")


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


# ---- who may ask RAUC ----


BUS = """<busconfig><type>system</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default">
    <allow user="*"/><allow own="*"/><allow receive_sender="*"/><allow send_destination="org.freedesktop.DBus"/>
    <allow send_type="signal"/><allow send_requested_reply="true"/>
</policy>
<include>/usr/share/dbus-1/system.d/de.pengutronix.rauc.conf</include>
<include ignore_missing="yes">{ours}</include>
</busconfig>
"""


@pytest.mark.parametrize("is_ours_there, is_heard", [(False, True), (True, False)])
def test_our_policy_keeps_rauc_for_root(tmp_path: Path, is_ours_there: bool, is_heard: bool) -> None:
    ours = ROOT / "systemd/rauc-root-only.conf" if is_ours_there else tmp_path / "missing"
    (tmp_path / "bus.conf").write_text(BUS.format(ours=ours))
    with RaucMachine(tmp_path, bus=f"--config-file={tmp_path}/bus.conf") as machine:
        assert machine.rauc.status().booted is Name.A
        asked = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, "status", "mark-bad", "other"],
            env=machine.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        assert (asked.returncode == 0) is is_heard, asked
        assert machine.boot_file("state-B") == ("bad" if is_heard else "good")
