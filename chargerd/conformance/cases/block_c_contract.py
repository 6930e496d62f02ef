"""Block C: vehicles that identify themselves by their contract certificate (C07)."""

from chargerd.conformance.authority import authority
from chargerd.conformance.case import case
from chargerd.conformance.cases.block_c_offline import UNKNOWN
from chargerd.conformance.cases.block_m_vehicles import EMAID, MO_ROOT, SECC_NAMES, with_v2g
from chargerd.conformance.station import StationUnderTest, Wanted
from chargerd.conformance.steps import A_MOMENT_S, booted, connected, energy_starts, event, status

CENTRAL = "ISO15118Ctrlr.CentralContractValidationAllowed"
OFFLINE_VALIDATION = "ISO15118Ctrlr.ContractValidationOffline"
LOCAL = SECC_NAMES | {CENTRAL: "false"}


def shows_contract(sut: StationUnderTest, status: str, certificate: str, with_what: Wanted) -> None:
    """A vehicle shows its contract certificate, the station asks with this in its question, and the CSMS says so."""
    connected(sut)
    sut.answer("Authorize", {"idTokenInfo": {"status": status}, "certificateStatus": certificate})
    sut.show_contract(authority(MO_ROOT).contract(EMAID))
    sut.expect("Authorize", {"idToken.idToken": EMAID, "idToken.type": "eMAID", **with_what})


def starts_nothing(sut: StationUnderTest) -> None:
    """The vehicle is ready, and neither authorized nor charging."""
    sut.ev_ready()
    sut.expect_nothing("TransactionEvent", {"triggerReason": "Authorized"})
    sut.expect_nothing("TransactionEvent", {"transactionInfo.chargingState": "Charging"}, for_s=0.0)


def shows_contract_offline(sut: StationUnderTest) -> None:
    """A vehicle is plugged in and shows its contract certificate while the CSMS is away; then the CSMS is back."""
    with_v2g(sut)
    sut.forget()
    sut.go_offline()
    sut.plug_in()
    sut.wait(A_MOMENT_S)
    sut.show_contract(authority(MO_ROOT).contract(EMAID))
    sut.wait(2.0)
    sut.go_online()
    status(sut, "Occupied")


def is_authorized(sut: StationUnderTest) -> None:
    """The transaction tells of the contract, and energy flows."""
    event(sut, {"Started", "Updated"}, trigger="Authorized", token=EMAID, id_type="eMAID")
    energy_starts(sut)


@case("TC_C_50_CS", settings=LOCAL)
def tc_c_50(sut: StationUnderTest) -> None:
    """A contract certificate that the station has found valid, and the CSMS as well, starts a charge."""
    with_v2g(sut)
    shows_contract(sut, "Accepted", "Accepted", {"iso15118CertificateHashData": ...})
    is_authorized(sut)


@case("TC_C_51_CS", settings=LOCAL)
def tc_c_51(sut: StationUnderTest) -> None:
    """A valid certificate of a contract that the CSMS refuses starts nothing."""
    with_v2g(sut)
    shows_contract(sut, "Invalid", "ContractCancelled", {"iso15118CertificateHashData": ...})
    starts_nothing(sut)


@case("TC_C_52_CS", settings=SECC_NAMES | {CENTRAL: "true"})
def tc_c_52(sut: StationUnderTest) -> None:
    """A contract certificate whose root is not installed goes to the CSMS as a whole, and what that says counts."""
    booted(sut)
    shows_contract(sut, "Accepted", "Accepted", {"certificate": lambda pem: pem.count("BEGIN CERTIFICATE") == 2})
    is_authorized(sut)


@case("TC_C_53_CS", settings=SECC_NAMES | {CENTRAL: "true"})
def tc_c_53(sut: StationUnderTest) -> None:
    """A contract certificate that the CSMS finds revoked starts nothing."""
    booted(sut)
    shows_contract(sut, "Invalid", "CertificateRevoked", {"certificate": ...})
    starts_nothing(sut)


@case("TC_C_54_CS", settings=UNKNOWN | SECC_NAMES | {OFFLINE_VALIDATION: "true"})
def tc_c_54(sut: StationUnderTest) -> None:
    """Without the CSMS a contract certificate counts that is valid by the roots installed."""
    shows_contract_offline(sut)
    event(sut, {"Started", "Updated"}, trigger="Authorized", token=EMAID, id_type="eMAID", offline=True)
    energy_starts(sut)


@case("TC_C_55_CS", settings=UNKNOWN | SECC_NAMES | {OFFLINE_VALIDATION: "false"})
def tc_c_55(sut: StationUnderTest) -> None:
    """Without the CSMS no contract certificate counts, where the site does not want that."""
    shows_contract_offline(sut)
    starts_nothing(sut)
