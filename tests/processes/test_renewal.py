"""The station's certificate is renewed over real TLS: with a key that never leaves a TPM, and with the station killed
anywhere on the way.
"""

import time
from pathlib import Path

import pytest

from chargerd.conformance.authority import CSMS_ROOT, authority
from chargerd.conformance.case import all_cases
from chargerd.conformance.peer import stamp
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import booted
from tests.conformance.lively import SETTINGS
from tests.conformance.processes import RealSurroundings
from tests.swtpm import free_places, shared_tpm

CASE = all_cases()["TC_A_11_CS"]
USE = "ChargingStationCertificate"


def keys_of(state_dir: Path) -> list[str]:
    """The key that was provisioned, which stays, and those that were made since."""
    return [path.name.partition("-")[0] for path in (state_dir / "keys").glob("*.pem")]


def test_a_certificate_is_renewed_with_a_key_in_a_TPM(tmp_path: Path) -> None:
    around = RealSurroundings(CASE, SETTINGS, tmp_path, tpm=free_places(shared_tpm()))
    try:
        CASE.body(StationUnderTest(around))
        assert keys_of(tmp_path) == ["tpm", "tpm"]
    finally:
        around.close()


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("asked", [False, True], ids=["triggered", "signed"])
def test_a_station_that_is_killed_while_its_certificate_is_renewed_comes_back(
    tmp_path: Path, asked: bool, after_s: float
) -> None:
    around = RealSurroundings(CASE, {**SETTINGS, "SecurityCtrlr.CertSigningWaitMinimum": "2"}, tmp_path)
    try:
        sut = StationUnderTest(around)
        booted(sut)
        trigger(sut)
        chain = ""
        if asked:
            chain = authority(CSMS_ROOT).signed(sut.expect("SignCertificate")["csr"])
            sut.peer.ask("CertificateSigned", {"certificateChain": chain, "certificateType": USE})
        time.sleep(after_s)
        killed = stamp(sut.utc())
        around.kill_station()
        # Before it has heard the time from its CSMS a station believes no certificate, and no CSMS asks it anything.
        sut.expect("BootNotification", {"reason": "ApplicationReset"}, within_s=30.0)
        sut.expect("StatusNotification", {"timestamp": lambda told: told > killed})
        if not asked:
            trigger(sut)
            chain = authority(CSMS_ROOT).signed(newest(sut))
        bring(sut, chain)
        shown = sut.until(lambda: chain.startswith(sut.peer.shown[-1].client_pem.strip()), "the new certificate", 30.0)
        assert shown
        sut.until(lambda: len(keys_of(tmp_path)) == 2, "the end of keys that nobody needs")
    finally:
        around.close()


def trigger(sut: StationUnderTest) -> None:
    """Unless the station is gone before it answers."""
    sut.until(lambda: sut.peer.connected, "a connection")
    sut.peer.ask("TriggerMessage", {"requestedMessage": f"Sign{USE}"})


def newest(sut: StationUnderTest) -> str:
    """The request that the station sent last; it may have had one before the kill."""
    sut.until(lambda: sut.heard("SignCertificate"), "SignCertificate", 30.0)
    sut.wait(1.0)
    return str(sut.heard("SignCertificate")[-1]["csr"])


def bring(sut: StationUnderTest, chain: str) -> None:
    """The certificate, again if the connection is lost on the way."""
    payload = {"certificateChain": chain, "certificateType": USE}
    asked = sut.peer.ask("CertificateSigned", payload)
    connection = sut.peer.connections

    def accepted() -> bool:
        nonlocal asked, connection
        if asked.result is None and sut.peer.connected and sut.peer.connections != connection:
            connection = sut.peer.connections
            asked = sut.peer.ask("CertificateSigned", payload)
        return asked.result is not None and asked.result["status"] == "Accepted"

    sut.until(accepted, "CertificateSigned Accepted", 30.0)
