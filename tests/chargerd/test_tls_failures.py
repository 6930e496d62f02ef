"""Why TLS failed: one alert means different things in different places. tests/tls shows it on the wire."""

import ssl
from collections.abc import Iterable

import pytest

from chargerd.identity import IdentityError
from chargerd.ocpp.events import LinkFailure
from chargerd.tls import TrustError, UntrustedError
from chargerd.tls_failures import failure_by_probe, failure_of, is_ambiguous
from chargerd.tls_probe import Choice
from chargerd.tls_talk import Alert, Message, Talk

CLIENT_HELLO = 1
GREETED = {Message.SERVER_HELLO, Message.CERTIFICATE}
ASKED = GREETED | {Message.CERTIFICATE_REQUEST}
FINISHED = {CLIENT_HELLO, Message.CERTIFICATE, Message.FINISHED}


def talk(
    heard: Iterable[int], said: Iterable[int] | None = None, alert: int | None = None, ours: int | None = None
) -> Talk:
    made = Talk()
    made.heard, made.said = set(heard), {CLIENT_HELLO} if said is None else set(said)
    made.alert_heard, made.alert_said = alert, ours
    made.silent = not made.heard and alert is None
    return made


def failure(error: Exception, what: Talk | None) -> LinkFailure | None:
    found = failure_of(error, what)
    return None if found is None else found[0]


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1)")
    error.reason = reason
    return error


RESET = ConnectionResetError("gone")


def test_what_is_wrong_here_is_told_without_a_word_from_there() -> None:
    assert failure(IdentityError("no key"), None) is LinkFailure.KEY_UNUSABLE
    assert failure(TrustError("no root"), None) is LinkFailure.TLS_FAILED
    assert failure(UntrustedError("too long"), talk(GREETED)) is LinkFailure.BAD_CERTIFICATE


def test_what_has_nothing_to_do_with_tls_is_left_to_others() -> None:
    assert failure_of(RESET, None) is None
    assert failure_of(RESET, talk(set(), said=set())) is None
    assert failure_of(RESET, talk(set())) is None
    assert failure_of(RESET, talk(GREETED | {Message.FINISHED}, FINISHED)) is None


@pytest.mark.parametrize("alert", [Alert.HANDSHAKE_FAILURE, Alert.BAD_CERTIFICATE, Alert.UNKNOWN_CA])
def test_an_alert_is_about_our_certificate_only_where_one_was_asked_for(alert: Alert) -> None:
    assert failure(ssl_error("ALERT"), talk(ASKED, FINISHED, alert)) is LinkFailure.CLIENT_CERTIFICATE_REFUSED
    assert failure(ssl_error("ALERT"), talk(GREETED, alert=alert)) is LinkFailure.TLS_FAILED


def test_a_server_that_hangs_up_on_our_certificate_has_refused_it() -> None:
    assert failure(RESET, talk(ASKED, FINISHED)) is LinkFailure.CLIENT_CERTIFICATE_REFUSED
    assert failure(RESET, talk(ASKED | {Message.SERVER_HELLO_DONE}, FINISHED)) is LinkFailure.CLIENT_CERTIFICATE_REFUSED


@pytest.mark.parametrize("content", [Message.NEW_SESSION_TICKET, Message.SERVER_HELLO_DONE])
def test_a_server_that_was_content_with_our_certificate_and_hangs_up_has_other_reasons(content: Message) -> None:
    assert failure(RESET, talk(ASKED | {Message.FINISHED, content}, FINISHED)) is None


def test_an_answer_that_is_no_http_says_nothing_of_certificates() -> None:
    said = talk(ASKED | {Message.FINISHED}, FINISHED)
    said.has_client = True
    assert failure_of(ValueError("no HTTP"), said) is None


def test_a_key_that_cannot_sign_is_told_from_a_server_that_is_broken() -> None:
    broken = ssl_error("EVP_LIB")
    assert failure(broken, talk(ASKED, ours=Alert.INTERNAL_ERROR)) is LinkFailure.KEY_UNUSABLE
    assert failure(broken, talk(GREETED, ours=Alert.INTERNAL_ERROR)) is LinkFailure.TLS_FAILED


@pytest.mark.parametrize("alert", [None, Alert.HANDSHAKE_FAILURE, Alert.CERTIFICATE_REQUIRED])
def test_a_certificate_that_we_have_and_do_not_show_is_a_key_that_cannot_sign(alert: Alert | None) -> None:
    mute = talk(ASKED, FINISHED, alert)
    mute.has_client = True
    assert failure(RESET, mute) is LinkFailure.KEY_UNUSABLE
    mute.said.add(Message.CERTIFICATE_VERIFY)
    assert failure(RESET, mute) is LinkFailure.CLIENT_CERTIFICATE_REFUSED


def test_only_a_refusal_before_any_other_word_is_worth_a_probe() -> None:
    assert is_ambiguous(talk(set()))
    assert is_ambiguous(talk(set(), alert=Alert.HANDSHAKE_FAILURE))
    assert not is_ambiguous(talk(set(), alert=Alert.PROTOCOL_VERSION))
    assert not is_ambiguous(talk(GREETED, alert=Alert.HANDSHAKE_FAILURE))
    assert not is_ambiguous(talk(set(), said=set()))


@pytest.mark.parametrize(
    "choice,expected",
    [
        (Choice(0x0300, 0x000A), LinkFailure.OLD_TLS),
        (Choice(0x0302, 0xC02B), LinkFailure.OLD_TLS),
        (Choice(0x0303, 0x009C), LinkFailure.NO_COMMON_CIPHERS),
        (Choice(0x0304, 0x1305), LinkFailure.NO_COMMON_CIPHERS),
    ],
)
def test_a_probe_tells_old_versions_from_weak_suites(choice: Choice, expected: LinkFailure) -> None:
    found = failure_by_probe(choice, talk(set(), alert=Alert.HANDSHAKE_FAILURE))
    assert found is not None
    assert found == failure_by_probe(choice, talk(set()))
    assert found[0] is expected


def test_a_probe_without_an_answer_tells_nothing() -> None:
    assert failure_by_probe(None, talk(set())) is None


@pytest.mark.parametrize("choice", [Choice(0x0304, 0x1302), Choice(0x0303, 0xC02F)])
def test_who_hung_up_once_and_then_takes_what_we_offer_was_not_there_the_first_time(choice: Choice) -> None:
    assert failure_by_probe(choice, talk(set())) is None
    refused = failure_by_probe(choice, talk(set(), alert=Alert.HANDSHAKE_FAILURE))
    assert refused is not None
    assert refused[0] is LinkFailure.NO_COMMON_CIPHERS


def test_a_reason_for_people_names_what_to_do() -> None:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_code, error.verify_message = 20, "unable to get local issuer certificate"
    found = failure_of(error, talk(GREETED))
    assert found is not None
    assert "signed by nobody we trust" in found[1]
    error.verify_code, error.verify_message = 53, "unsupported name constraint syntax"
    assert "unsupported name constraint syntax" in str(failure_of(error, talk(GREETED)))
