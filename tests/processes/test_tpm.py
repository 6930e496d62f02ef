"""Security profile 3 with the key in a TPM, both real processes: from a blank device to a charge, and the TPM that is
taken away, hangs, and comes back in its midst.
"""

import asyncio
import functools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.door import door
from chargerd.conformance.peer import Peer
from chargerd.conformance.wire import WireServer
from tests.processes.charge import ROOT, Charger, charger
from tests.swtpm import Swtpm

ANSWERS_WITHIN_S = 1.0
"""However the TPM hangs, the station answers its console as fast as ever; this allows for a busy machine."""


def provision(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "chargerd.ctl", "provision", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def provisioned(folder: Path, tpm: Swtpm) -> Path:
    """As a maker does it, with the CA of the test system; the root of the CSMS."""
    ours = authority(CSMS_ROOT)
    root, csr, chain = folder / "root.pem", folder / "device.csr", folder / "device.pem"
    root.write_text(ours.root_pem)
    place = ("--state", folder, "--config", folder / "none", "--keys", "tpm", "--tpm", tpm.tcti)
    provision(*place, "--csr-out", csr, "--serial", "BENCH-0001", "--organization", "Example")
    chain.write_text(ours.signed(csr.read_text()))
    told = provision(*place, "--chain", chain, "--csms-roots", root)
    assert "security_profile = 3" in told
    return root


class Story:
    """The charger, its CSMS and its TPM."""

    def __init__(self, charger: Charger, peer: Peer, tpm: Swtpm) -> None:
        self.charger = charger
        self.peer = peer
        self.tpm = tpm

    async def until_connected(self, times: int) -> None:
        await self.charger.until_seen(lambda: self.peer.connections >= times, 40.0)
        await self.charger.until(lambda status: status["link"]["registration"] == "Accepted" and status["link"]["open"])

    async def lose_the_link(self) -> None:
        await self.charger.do("link_down")
        await self.charger.until(lambda status: not status["link"]["open"])
        await self.charger.do("link_up")


@asynccontextmanager
async def story(folder: Path) -> AsyncIterator[Story]:
    peer = Peer(lambda: datetime.now(UTC))
    peer.door = door(3, "")
    wire = WireServer(peer, ("127.0.0.1", 0))
    try:
        with Swtpm(folder) as tpm:
            await asyncio.to_thread(provisioned, folder, tpm)
            settings: dict[str, Any] = {
                "csms_url": wire.url,
                "security_profile": 3,
                "tpm": tpm.tcti,
                "state_dir": folder,
                "password": None,
            }
            async with charger(**settings) as running:
                told = Story(running, peer, tpm)
                await told.until_connected(1)
                yield told
    finally:
        wire.close()


def is_in_use_after(folder: Path, deaths: int) -> bool:
    """Whether the station is using the TPM now, for the first time after so many deaths."""
    record = json.loads((folder / "keys" / "tpm.trial").read_text())
    return bool(record["trying"]) and record["deaths"] == deaths


def play(folder: Path, tell: Callable[[Story], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with story(folder) as told:
            await tell(told)

    asyncio.run(whole())


def test_a_blank_device_is_provisioned_connects_with_its_tpm_key_and_charges(tmp_path: Path) -> None:
    async def tell(told: Story) -> None:
        assert told.peer.shown[-1].security_profile == 3
        assert told.peer.shown[-1].client_pem
        assert not told.peer.shown[-1].password
        await told.charger.charge()
        await told.lose_the_link()
        await told.until_connected(2)

    play(tmp_path, tell)


def test_a_tpm_that_vanishes_costs_the_link_and_not_the_charge_and_its_return_brings_the_link_back(
    tmp_path: Path,
) -> None:
    async def tell(told: Story) -> None:
        await told.charger.charge()
        told.tpm.stop()
        await told.lose_the_link()
        await told.charger.until_logged(1, "nothing answers at")
        await told.charger.still_closed_for(2.0)
        told.tpm.start()
        await told.until_connected(2)
        assert len(told.charger.log.having("daemon: restarting", "the TPM answers again")) == 1
        assert (await told.charger.world())["contacts_closed"]

    play(tmp_path, tell)


def test_a_tpm_that_hangs_keeps_nobody_waiting_but_the_link(tmp_path: Path) -> None:
    async def tell(told: Story) -> None:
        await told.charger.charge()
        told.tpm.hang()
        try:
            await told.lose_the_link()
            end, slowest_s = time.monotonic() + 6.0, 0.0
            while time.monotonic() < end:
                asked = time.monotonic()
                assert await told.charger.status()
                slowest_s = max(slowest_s, time.monotonic() - asked)
                await asyncio.sleep(0.05)
            assert slowest_s < ANSWERS_WITHIN_S
            await told.charger.still_closed_for(0.5)
            assert told.peer.connections == 1
        finally:
            told.tpm.go_on()
        await told.until_connected(2)
        assert not told.charger.log.having("daemon: restarting")

    play(tmp_path, tell)


def test_a_station_that_dies_again_and_again_while_it_uses_the_tpm_does_without_it_and_says_why(tmp_path: Path) -> None:
    """As with a provider that brings the process down: systemd starts it again each time, and so does the bench."""

    async def tell(told: Story) -> None:
        await told.charger.charge()
        told.tpm.hang()
        try:
            await told.lose_the_link()
            for deaths in range(3):
                await told.charger.until_seen(functools.partial(is_in_use_after, tmp_path, deaths))
                await told.charger.do("kill", process="station")
            await told.charger.until_logged(1, "died 3 times in a row while it used it")
        finally:
            told.tpm.go_on()
        await told.charger.until(lambda status: not status["link"]["open"])
        await told.charger.still_closed_for(1.0)
        assert told.peer.connections == 1
        assert len(told.charger.log.having("station ended")) == 3

    play(tmp_path, tell)
