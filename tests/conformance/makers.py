"""What the maker of the station under test gives to its CSMS."""

from chargerd.bench.machine import FIRST_SECURITY_VERSION, Machine
from chargerd.bench.maker import HARDWARE, OTHER_HARDWARE
from chargerd.conformance.files import Files
from chargerd.conformance.station import WRONG_FIRMWARE, Offer

NEW_VERSION = "2.0.0"


def put_up(machine: Machine, files: Files, url: str, kind: str) -> Offer:
    """Firmware of this kind at a file server: right for the station, or for another kind of hardware."""
    hardware = OTHER_HARDWARE if kind == WRONG_FIRMWARE else HARDWARE
    release = machine.maker.release(NEW_VERSION, FIRST_SECURITY_VERSION, hardware=hardware)
    path = f"/firmware/{kind}"
    files.offers[path] = release.file
    return Offer(f"{url}{path}", release.certificate_pem, release.signature)
