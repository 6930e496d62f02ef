"""Block A: TLS, and what becomes of a CSMS that cannot be trusted (A00)."""

from chargerd.conformance.case import case
from chargerd.conformance.station import StationUnderTest
from chargerd.conformance.steps import booted


@case("TC_A_04_CS", security_profile=2)
def tc_a_04(sut: StationUnderTest) -> None:
    """A CSMS with a valid certificate: TLS, then the password, then OCPP."""
    booted(sut)


@case("TC_A_07_CS", security_profile=3)
def tc_a_07(sut: StationUnderTest) -> None:
    """The station shows its certificate, and comes in."""
    booted(sut)
