"""Who may sign firmware; every kind of refusal on a whole station is in test_firmware_management.py."""

from chargerd.ocpp.certificate_book import CertificateBook
from chargerd.ocpp.firmware_signers import Signers
from chargerd.ocpp.messages.enums import UpdateFirmwareStatus as Answer
from tests.chargerd.ocpp.updating import MAKER, SIGNER, Station
from tests.chargerd.pki import crl, made, root


def signers(station: Station, *lists: str) -> Signers:
    return Signers(CertificateBook(station.station.ctx), lists, lambda: None)


def test_one_list_of_its_issuer_has_to_clear_it_and_those_of_others_say_nothing() -> None:
    station = Station()
    now = station.clock.now()
    until = now.utc.replace(year=now.utc.year + 1)
    clear, other = crl(MAKER, since=now.utc, until=until), crl(root("Other"), since=now.utc, until=until)
    revoked = crl(MAKER, [SIGNER], since=now.utc, until=until)
    assert signers(station, other, clear).refusal(SIGNER.pem, now) is None
    assert signers(station).refusal(SIGNER.pem, now) is None
    for lists in ((revoked,), (other,), ("garbage",)):
        refusal = signers(station, *lists).refusal(SIGNER.pem, now)
        assert refusal is not None
        assert refusal[0] is Answer.REVOKED_CERTIFICATE


def test_a_certificate_of_nobody_here_is_invalid_whatever_the_lists_say() -> None:
    station = Station()
    refusal = signers(station).refusal(made("Stranger", root("Other")).pem, station.clock.now())
    assert refusal is not None
    assert refusal[0] is Answer.INVALID_CERTIFICATE


def test_the_shell_is_told_what_it_needs_to_look_again() -> None:
    station = Station()
    station.update()
    update = station.station.firmware.update
    assert update is not None
    check = signers(station, "list").check(update, station.clock.now())
    assert (check.certificate_pem, check.roots_pem, check.revocations_pem) == (SIGNER.pem, (MAKER.pem,), ("list",))
    assert check.at_utc == station.clock.now().utc
