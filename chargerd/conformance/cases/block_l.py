"""Block L: new firmware, signed."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from chargerd.conformance.authority import CSMS_ROOT, authority, request_for
from chargerd.conformance.case import case
from chargerd.conformance.peer import Payload, stamp
from chargerd.conformance.station import (
    OTHER,
    VALID,
    WRONG_FIRMWARE,
    Offer,
    StationUnderTest,
)
from chargerd.conformance.steps import booted, boots, charging, status, stopped_locally, unplugged

INSTALL_WITHIN_S = 90.0
AHEAD_S = 5.0
FAILED = frozenset({"InstallVerificationFailed", "InstallationFailed"})
NEW_SESSIONS = {"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"}
NO_NEW_SESSIONS = {"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "false"}


@case("TC_L_01_CS", updates=True)
def tc_l_01(sut: StationUnderTest) -> None:
    """New firmware is fetched, verified, installed and runs, and the CSMS hears of each step."""
    booted(sut)
    offer, _files = sut.firmware()
    update(sut, offer)
    fetched(sut)
    installed(sut)


@case("TC_L_02_CS", updates=True)
def tc_l_02(sut: StationUnderTest) -> None:
    """An installation waits for its hour."""
    booted(sut)
    offer, _files = sut.firmware()
    update(sut, offer, install_in_s=AHEAD_S)
    fetched(sut)
    told(sut, "InstallScheduled")
    sut.expect_nothing("FirmwareStatusNotification", for_s=1.0)
    installed(sut)


@case("TC_L_03_CS", updates=True)
def tc_l_03(sut: StationUnderTest) -> None:
    """A download waits for its hour."""
    booted(sut)
    offer, _files = sut.firmware()
    update(sut, offer, retrieve_in_s=AHEAD_S)
    told(sut, "DownloadScheduled")
    sut.expect_nothing("FirmwareStatusNotification", for_s=1.0)
    fetched(sut)
    installed(sut)


@case("TC_L_05_CS", updates=True)
def tc_l_05(sut: StationUnderTest) -> None:
    """A signing certificate by somebody else than the maker is refused, and that is a security event."""
    booted(sut)
    offer, _files = sut.firmware()
    strange = Offer(offer.location, somebody_elses_certificate(), offer.signature)
    update(sut, strange, answer=("InvalidCertificate", "RevokedCertificate"))
    sut.expect("SecurityEventNotification", {"type": "InvalidFirmwareSigningCertificate"})
    sut.expect_nothing("FirmwareStatusNotification")


@case("TC_L_06_CS", updates=True)
def tc_l_06(sut: StationUnderTest) -> None:
    """A file that its signature is not of is refused after the download, and that is a security event."""
    booted(sut)
    offer, _files = sut.firmware()
    other, _others = sut.firmware(WRONG_FIRMWARE)
    update(sut, Offer(offer.location, offer.certificate_pem, other.signature))
    told(sut, "Downloading")
    told(sut, "Downloaded")
    told(sut, "InvalidSignature")
    sut.expect("SecurityEventNotification", {"type": "InvalidFirmwareSignature"})


@case("TC_L_07_CS", updates=True)
def tc_l_07(sut: StationUnderTest) -> None:
    """A file that is not there is given up after the last attempt."""
    booted(sut)
    offer, _files = sut.firmware()
    nowhere = Offer(f"{offer.location}_does_not_exist", offer.certificate_pem, offer.signature)
    update(sut, nowhere, retries=1, retryInterval=1)
    told(sut, "Downloading")
    told(sut, "DownloadFailed")
    sut.expect_nothing("FirmwareStatusNotification")


@case("TC_L_08_CS", updates=True)
def tc_l_08(sut: StationUnderTest) -> None:
    """A file that its maker signed and that is not for this station is not installed."""
    booted(sut)
    offer, _files = sut.firmware(WRONG_FIRMWARE)
    update(sut, offer)
    fetched(sut)
    told(sut, "Installing")
    sut.expect("FirmwareStatusNotification", {"status": FAILED, "requestId": 1}, INSTALL_WITHIN_S)


@case("TC_L_10_CS", updates=True)
def tc_l_10(sut: StationUnderTest) -> None:
    """A new request ends the update that runs, and is served itself."""
    booted(sut)
    offer, files = sut.firmware()
    files.hold_next()
    update(sut, offer)
    told(sut, "Downloading")
    update(sut, offer, request_id=2, answer=("AcceptedCanceled",))
    fetched(sut, 2)
    installed(sut, 2)
    ends = sut.heard("FirmwareStatusNotification", {"requestId": 1, "status": {"DownloadFailed", "InstallationFailed"}})
    assert len(ends) <= 1


@case("TC_L_14_CS", evses=2, settings=NEW_SESSIONS, updates=True)
def tc_l_14(sut: StationUnderTest) -> None:
    """An installation waits until nobody charges; meanwhile others may begin."""
    offered_while_charging(sut)
    charging(sut, OTHER, evse=2)
    stopped_locally(sut, VALID, 1)
    unplugged(sut, 1)
    sut.expect_nothing("FirmwareStatusNotification", for_s=1.0)
    stopped_locally(sut, OTHER, 2)
    sut.plug_out(2)
    installed(sut)


@case("TC_L_15_CS", evses=2, settings=NO_NEW_SESSIONS, updates=True)
def tc_l_15(sut: StationUnderTest) -> None:
    """An installation waits until nobody charges; meanwhile nobody else may begin."""
    offered_while_charging(sut)
    status(sut, "Unavailable", 2)
    stopped_locally(sut)
    sut.plug_out(1)
    installed(sut)


@case("TC_L_18_CS", updates=True)
def tc_l_18(sut: StationUnderTest) -> None:
    """Firmware that nobody signed is refused."""
    booted(sut)
    offer, _files = sut.firmware()
    update(sut, Offer(offer.location, "", ""), answer=("Rejected", "InvalidCertificate"))
    sut.expect_nothing("FirmwareStatusNotification")


def offered_while_charging(sut: StationUnderTest) -> None:
    """A good update is fetched while somebody charges, and waits for the end of that."""
    booted(sut)
    charging(sut)
    sut.forget()
    offer, _files = sut.firmware()
    update(sut, offer)
    fetched(sut)
    told(sut, "InstallScheduled")


def update(
    sut: StationUnderTest,
    offer: Offer,
    *,
    request_id: int = 1,
    retrieve_in_s: float = -7200.0,
    install_in_s: float = -7200.0,
    answer: tuple[str, ...] = ("Accepted",),
    **more: int,
) -> Payload:
    """UpdateFirmware, and its answer. `more`: of the request, `retries` for one."""
    now = sut.utc()
    firmware = {
        "location": offer.location,
        "retrieveDateTime": stamp(now + timedelta(seconds=retrieve_in_s)),
        "installDateTime": stamp(now + timedelta(seconds=install_in_s)),
        "signingCertificate": offer.certificate_pem,
        "signature": offer.signature,
    }
    request = {"requestId": request_id, "firmware": {name: value for name, value in firmware.items() if value}}
    return sut.call_gives("UpdateFirmware", request | more, {"status": set(answer)})


def told(sut: StationUnderTest, state: str, request_id: int = 1) -> None:
    """FirmwareStatusNotification of this request."""
    sut.expect("FirmwareStatusNotification", {"status": state, "requestId": request_id}, INSTALL_WITHIN_S)


def fetched(sut: StationUnderTest, request_id: int = 1) -> None:
    """The file comes, and is what was signed."""
    for state in ("Downloading", "Downloaded", "SignatureVerified"):
        told(sut, state, request_id)


def installed(sut: StationUnderTest, request_id: int = 1) -> None:
    """The station installs, starts anew, and runs the new version."""
    told(sut, "Installing", request_id)
    told(sut, "InstallRebooting", request_id)
    boots(sut, "FirmwareUpdate")
    told(sut, "Installed", request_id)
    sut.expect("SecurityEventNotification", {"type": "FirmwareUpdated"})


def somebody_elses_certificate() -> str:
    """A certificate that an authority of the CSMS has signed, which is no maker of chargers."""
    request = request_for(ec.generate_private_key(ec.SECP256R1()), "Firmware", "Somebody")
    leaf, end, _below = authority(CSMS_ROOT).signed(request).partition("-----END CERTIFICATE-----")
    return f"{leaf}{end}\n"
