"""A full disk in mid-charge, a state directory that is not writable, a damaged database: what is said, what is safe."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chargerd.evse.types import ORDERS_LEASE_S
from tests.processes.charge import Charger, assert_one_whole_story, charger, is_charging, transaction_of

DISK_KB = 400


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A state directory; for root a file system of its own, so small that it can be filled."""
    folder = tmp_path / "state"
    folder.mkdir()
    if os.geteuid() == 0:
        with mounted(folder, f"size={DISK_KB}k"):
            yield folder
    else:
        yield folder


def fill(disk: Path, station: Charger) -> Callable[[], None]:
    """From now on nothing more can be written there; call the result to have space again."""
    if os.geteuid() != 0:
        # Who may not mount takes the space from the running process: its files may not grow any more.
        size = max(path.stat().st_size for path in disk.iterdir())
        resource.prlimit(station.rig.pid("station"), resource.RLIMIT_FSIZE, (size, size))
        return lambda: None
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 1024):
                pass
        except OSError:
            return filler.unlink
    raise AssertionError("can't happen because the loop ends with an error only")


def damage(folder: Path) -> None:
    """Nothing of the database can be read any more."""
    for part in folder.glob("station.sqlite*"):
        part.write_bytes(b"\xff" * 4096)


def test_a_full_disk_in_mid_charge_stops_energy_with_the_lease_and_everything_comes_back_with_the_space(
    disk: Path,
) -> None:
    async def story() -> None:
        async with charger(state_dir=disk) as station:
            transaction = await station.charge()
            await station.until_seen(lambda: len(station.events()) >= 3)
            delivered = [event["seqNo"] for event in station.events()]
            free = fill(disk, station)
            await station.until_seen(lambda: station.log.having("station ended (75)"), 30.0)
            said = station.log.having("error", "station.sqlite: ")
            assert all("free space" in line or "the free space" in line for line in said)
            assert not station.log.having("Traceback")
            if os.geteuid() == 0:
                assert len(said) == len(station.log.having("station ended (75)"))  # one line each time
                assert (await station.world())["contacts_closed"]
                await station.until_open(ORDERS_LEASE_S + 10.0)
            free()
            status = await station.until(is_charging)
            assert transaction_of(status) == transaction
            assert [event["seqNo"] for event in station.events()][: len(delivered)] == delivered
            await station.do("present_token")
            await station.until(lambda status: not status["evses"][0]["transaction"])
            await station.until(lambda status: status["link"]["queued"] == 0)
            assert_one_whole_story(list({event["seqNo"]: event for event in station.events()}.values()))

    asyncio.run(story())


def test_a_damaged_database_is_moved_aside_and_said_and_the_next_driver_can_charge(tmp_path: Path) -> None:
    async def story() -> None:
        database = tmp_path / "station.sqlite"
        database.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
        async with charger(state_dir=tmp_path) as station:
            assert station.log.having("warning", f"{database} was damaged", f"moved to {database}.damaged-1")
            await station.charge()
        assert (tmp_path / "station.sqlite.damaged-1").stat().st_size == 8192 + 16

    asyncio.run(story())


def test_a_database_damaged_in_mid_charge_costs_a_restart_and_no_second_car(tmp_path: Path) -> None:
    async def story() -> None:
        async with charger(state_dir=tmp_path) as station:
            await station.charge()
            station.rig.kill("station")
            damage(tmp_path)
            await station.until_seen(lambda: station.log.having("was damaged"))
            await station.until(lambda status: status["link"]["registration"] == "Accepted")
            # Nothing is known of the driver any more: energy ends, and a card begins anew.
            await station.until_open(ORDERS_LEASE_S)
            await station.do("present_token")
            await station.until(is_charging)

    asyncio.run(story())
