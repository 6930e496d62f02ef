"""No private key and no password of the factory leaves its place: from a blank device, over a renewal of the
certificate and two crashes, to everything that came of it.
"""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.door import door
from chargerd.conformance.peer import Peer
from chargerd.conformance.wire import WireServer
from tests.processes.canaries import Canary, KeyCanary, files_below, found_in, key_canary, seen_of_process
from tests.processes.charge import ROOT, Charger, charger

USE = "ChargingStationCertificate"


class Factory:
    """What a maker does with a blank device, and all that the tool said meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir()
        self.credential, self.copy = folder / "credstore" / "csms-password", folder / "password-for-the-csms"
        self.said: dict[str, bytes] = {}

    def provision(self) -> None:
        ours = authority(CSMS_ROOT)
        root, csr, chain = (self.state.parent / name for name in ("root.pem", "device.csr", "device.pem"))
        root.write_text(ours.root_pem)
        self._tool("--csr-out", csr, "--serial", "BENCH-0001", "--organization", "Example", "--keys", "file")
        chain.write_text(ours.signed(csr.read_text()))
        self._tool("--chain", chain, "--csms-roots", root)
        self._tool("--password-out", self.copy, "--credential", self.credential)

    def _tool(self, *arguments: object) -> None:
        place = ("provision", "--state", self.state, "--config", self.state / "none")
        done = subprocess.run(
            [sys.executable, "-m", "chargerd.ctl", *map(str, (*place, *arguments))],
            capture_output=True, check=False, timeout=60, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        self.said[f"provision {len(self.said)}"] = done.stdout + done.stderr


def keys_in(state: Path) -> list[KeyCanary]:
    """Every private key that lies there now; the folder of keys is where they belong."""
    return [key_canary(path.read_text(), f"{state}/keys/") for path in (state / "keys").glob("*.pem")]


async def renewed(station: Charger, peer: Peer) -> None:
    """The CSMS has the certificate renewed, and the station comes back with the new one."""
    asked, connections = len(peer.shown), peer.connections
    peer.ask("TriggerMessage", {"requestedMessage": f"Sign{USE}"})
    await station.until_seen(lambda: [heard for heard in peer.heard if heard.action == "SignCertificate"])
    csr = [heard for heard in peer.heard if heard.action == "SignCertificate"][-1].payload["csr"]
    chain = authority(CSMS_ROOT).signed(csr)
    peer.ask("CertificateSigned", {"certificateChain": chain, "certificateType": USE})
    await station.until_seen(
        lambda: (
            len(peer.shown) > asked
            and chain.startswith(peer.shown[-1].client_pem.strip())
            and peer.connections > connections
        ),
        40.0,
    )


def is_back(station: Charger, peer: Peer, pid: int, connections: int) -> bool:
    """In another process, and connected from there."""
    return station.rig.pid("station") != pid and peer.connections > connections


def test_no_private_key_and_no_provisioned_password_is_found_where_it_does_not_belong(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    factory.provision()
    password = Canary("password", factory.copy.read_text().strip(), (str(factory.credential), str(factory.copy)))
    keys = keys_in(factory.state)
    assert keys
    peer = Peer(lambda: datetime.now(UTC))
    peer.door = door(3, "")
    wire = WireServer(peer, ("127.0.0.1", 0))
    places: dict[str, bytes] = {}

    async def story() -> None:
        async with charger(csms_url=wire.url, security_profile=3, state_dir=factory.state, password=None) as station:
            await station.until_seen(lambda: peer.connections, 40.0)
            await station.charge()
            await renewed(station, peer)
            keys.extend(await asyncio.to_thread(keys_in, factory.state))
            for number in (signal.SIGABRT, signal.SIGSEGV):
                pid, connections = station.rig.pid("station"), peer.connections
                places.update(seen_of_process(pid))
                os.kill(pid, number)
                await station.until_seen(partial(is_back, station, peer, pid, connections), 40.0)
            done = await asyncio.to_thread(look_at, station, "identity")
            places["chargerctl identity"] = done
            places["log"] = "\n".join(station.log.lines).encode()
            places.update(await asyncio.to_thread(files_below, station.rig.run_dir))

    try:
        asyncio.run(story())
    finally:
        wire.close()
    places |= factory.said | files_below(tmp_path)
    places["heard by the CSMS"] = repr(peer.heard).encode()
    secrets = {key.text: key for key in keys}.values()
    assert len(secrets) >= 2  # the provisioned one and that of the renewal
    assert found_in([password, *secrets], places) == []
    # The search would have seen them: each is where it belongs, as long as it was needed.
    anywhere = [KeyCanary(key.name, key.text) for key in secrets]
    assert found_in(anywhere, files_below(factory.state))
    assert found_in([Canary(password.name, password.text)], places)


def look_at(station: Charger, command: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "chargerd.ctl", "--socket", station.rig.run_dir / "station.console", command],
        capture_output=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout + done.stderr
