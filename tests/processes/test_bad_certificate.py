"""A CSMS with a bad certificate, and the real processes: from the socket to the event that the good one hears of."""

from pathlib import Path

import msgspec

from chargerd.conformance.authority import OTHER_ROOT, authority
from chargerd.conformance.case import Case
from chargerd.conformance.cases.block_a_tls import QUICK, lets_nobody_in
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import booted
from tests.conformance.processes import RealSurroundings

EVENT = {"type": "InvalidCsmsCertificate"}


def test_A00_FR_310_A00_FR_413_a_bad_certificate_is_told_once_for_many_attempts_when_the_good_server_is_back(
    tmp_path: Path,
) -> None:
    case = Case(case_id="", body=lambda _sut: None, security_profile=2, settings=QUICK)
    around = RealSurroundings(case, {}, tmp_path)
    try:
        sut = StationUnderTest(around)
        booted(sut)
        good = sut.peer.door
        lets_nobody_in(sut, msgspec.structs.replace(good, authority=authority(OTHER_ROOT)), for_s=1.0)
        sut.peer.door = good
        told = sut.expect("SecurityEventNotification", EVENT, within_s=30.0)
        sut.expect_nothing("SecurityEventNotification", EVENT, for_s=0.5)
        assert "signed by nobody we trust" in told["techInfo"]
        assert not sut.peer.problems
    finally:
        around.close()
