"""Why TLS failed, told apart as far as it can be, with the place and the remedy for people (A00.FR.310, A00.FR.316,
A00.FR.323).
"""

import ssl

from chargerd.identity import IdentityError
from chargerd.ocpp.events import LinkFailure
from chargerd.tls import STATION_SUITES, TrustError, UntrustedError
from chargerd.tls_probe import Choice
from chargerd.tls_talk import Alert, Message, Talk

TLS_1_2 = 0x0303
OFFERED = frozenset({0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030})
"""The numbers of the suites that the station takes."""

Failure = tuple[LinkFailure, str]

_CERTIFICATE = {
    2: "signed by nobody we trust; install the root certificate of the CSMS",
    3: "csms.crl_file has no revocation list for one certificate of its path",
    7: "the signature on it, or on one above it, is wrong",
    8: "csms.crl_file has a revocation list with a wrong signature",
    9: "not valid yet; compare the clocks of the station and of the CSMS",
    10: "it, or one above it, has expired; the CSMS must renew it",
    11: "csms.crl_file has a revocation list that is not valid yet",
    12: "csms.crl_file has a revocation list that has expired",
    18: "signed by itself, and not a root we trust",
    19: "signed by a root we do not trust; install the root certificate of the CSMS",
    20: "signed by nobody we trust, or the CSMS leaves out a certificate of its path",
    21: "alone, and signed by nobody we trust",
    23: "revoked",
    24: "signed by a certificate that is no authority",
    25: "an authority of its path may have no such authority below it",
    26: "not for TLS servers (key usage)",
    34: "has a critical extension that is not known here",
    47: "for a name that an authority of its path may not sign for",
    62: "for another host; the URL and the certificate must name the same",
    64: "for another address; the URL and the certificate must name the same",
    66: "its key is too weak (RSA 2048 bits, elliptic curves 224 bits)",
    67: "the key of an authority of its path is too weak (RSA 2048 bits, elliptic curves 224 bits)",
    68: "signed with a digest that is too weak (SHA-256 is strong enough)",
    79: "signed by a certificate that is no authority",
    94: "its key, or one above it, spells out a curve of its own",
}
"""By X509_V_ERR (openssl/x509_vfy.h)."""

_UNPROVEN = frozenset({"BAD_SIGNATURE", "WRONG_CERTIFICATE_TYPE", "BAD_ECPOINT"})
_OLD = frozenset({"UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW"})
_WEAK = frozenset(
    {
        "WRONG_CIPHER_RETURNED",
        "UNKNOWN_CIPHER_RETURNED",
        "WRONG_CURVE",
        "WRONG_SIGNATURE_TYPE",
        "WRONG_SIGNATURE_SIZE",
        "DH_KEY_TOO_SMALL",
    }
)
"""Reasons of OpenSSL (openssl/sslerr.h): no proof of the key; what is too old; algorithms that nobody offered."""

_ABOUT_OURS = frozenset(
    {
        Alert.BAD_CERTIFICATE,
        Alert.UNSUPPORTED_CERTIFICATE,
        Alert.CERTIFICATE_REVOKED,
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.UNKNOWN_CA,
        Alert.ACCESS_DENIED,
        Alert.DECRYPT_ERROR,
        Alert.CERTIFICATE_REQUIRED,
        Alert.HANDSHAKE_FAILURE,
    }
)
"""Alerts that are about our certificate, or that there is none, where we were asked for one and had answered."""


def failure_of(error: Exception, talk: Talk | None) -> Failure | None:
    """What a failed attempt means; None: it was not TLS. `talk`: what was said, None: it did not come to that."""
    match error:
        case IdentityError():
            return LinkFailure.KEY_UNUSABLE, str(error)
        case TrustError():
            return LinkFailure.TLS_FAILED, str(error)
        case UntrustedError():
            return LinkFailure.BAD_CERTIFICATE, f"the certificate of the CSMS is refused: {error}"
        case ssl.SSLCertVerificationError():
            what = _CERTIFICATE.get(error.verify_code, error.verify_message)
            return LinkFailure.BAD_CERTIFICATE, f"the certificate of the CSMS is refused: {what}"
    if talk is None or not talk.said:
        return None
    hung_up = isinstance(error, OSError) or isinstance(error.__cause__, OSError | EOFError)
    return (
        _by_proof(talk, hung_up) or _by_alert(talk) or _by_reason(error, talk) or (_by_end(talk) if hung_up else None)
    )


def is_ambiguous(talk: Talk) -> bool:
    """Whether only a probe can tell more: the CSMS refused before it had said anything but that, or hung up."""
    if not talk.said or Message.SERVER_HELLO in talk.heard:
        return False
    return talk.silent or talk.alert_heard == Alert.HANDSHAKE_FAILURE


def failure_by_probe(choice: Choice | None, talk: Talk) -> Failure | None:
    """What the answer to an offer of everything says about a refusal of ours; None: nothing."""
    if choice is None or (talk.silent and choice.version >= TLS_1_2 and choice.suite in OFFERED):
        return None
    if choice.version < TLS_1_2:
        return LinkFailure.OLD_TLS, "the CSMS speaks nothing newer than TLS 1.1; 1.2 is needed"
    wants = f"the CSMS would take cipher suite {choice.suite:#06x} with weaker algorithms than are offered here"
    return LinkFailure.NO_COMMON_CIPHERS, f"{wants}; it must offer {STATION_SUITES[0]}"


def _by_proof(talk: Talk, hung_up: bool) -> Failure | None:
    """A client that cannot sign (or has no key of a kind that is asked for) shows no certificate and goes on."""
    ended = hung_up or talk.alert_heard is not None
    asked = talk.has_client and Message.CERTIFICATE_REQUEST in talk.heard and Message.FINISHED in talk.said
    if not ended or not asked or Message.CERTIFICATE_VERIFY in talk.said:
        return None
    return LinkFailure.KEY_UNUSABLE, "our private key cannot sign, or not in a way that the CSMS takes"


def _by_alert(talk: Talk) -> Failure | None:
    alert = talk.alert_heard
    if alert is None:
        return None
    if alert == Alert.PROTOCOL_VERSION:
        return LinkFailure.OLD_TLS, "the CSMS speaks neither TLS 1.2 nor 1.3"
    if alert == Alert.INSUFFICIENT_SECURITY:
        return (
            LinkFailure.NO_COMMON_CIPHERS,
            f"the CSMS takes none of our cipher suites; it must offer {STATION_SUITES[0]}",
        )
    if alert in _ABOUT_OURS and Message.CERTIFICATE_REQUEST in talk.heard:
        return (
            LinkFailure.CLIENT_CERTIFICATE_REFUSED,
            f"the CSMS refuses our client certificate, or misses one ({_name(alert)})",
        )
    return LinkFailure.TLS_FAILED, f"the CSMS ended the handshake ({_name(alert)})"


def _by_reason(error: Exception, talk: Talk) -> Failure | None:
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    reason = (error.reason or error.strerror or "unknown").replace("_", " ").lower()
    if error.reason in _UNPROVEN:
        return LinkFailure.BAD_CERTIFICATE, f"the CSMS does not prove that its certificate is its own ({reason})"
    if error.reason in _OLD:
        return LinkFailure.OLD_TLS, "the CSMS speaks nothing newer than TLS 1.1; 1.2 is needed"
    if error.reason in _WEAK:
        return LinkFailure.NO_COMMON_CIPHERS, f"the CSMS uses an algorithm that was not offered ({reason})"
    if talk.alert_said == Alert.INTERNAL_ERROR and Message.CERTIFICATE_REQUEST in talk.heard:
        return LinkFailure.KEY_UNUSABLE, f"our private key cannot sign ({reason})"
    return LinkFailure.TLS_FAILED, f"what the CSMS says is no TLS that we know ({reason})"


def _by_end(talk: Talk) -> Failure | None:
    """It ended without a reason. Who is content with our certificate says so: in TLS 1.2 by the end of the handshake,
    in TLS 1.3 usually by a ticket.
    """
    if talk.silent:
        return None
    asked = Message.CERTIFICATE_REQUEST in talk.heard and Message.FINISHED in talk.said
    content = Message.FINISHED if Message.SERVER_HELLO_DONE in talk.heard else Message.NEW_SESSION_TICKET
    if asked and content not in talk.heard:
        return (
            LinkFailure.CLIENT_CERTIFICATE_REFUSED,
            "the CSMS asked for our client certificate, and hung up when it had it",
        )
    if Message.FINISHED in talk.said:
        return None
    return LinkFailure.TLS_FAILED, "the CSMS hung up in the midst of the handshake"


def _name(alert: int) -> str:
    try:
        return Alert(alert).name.replace("_", " ").lower()
    except ValueError:
        return f"alert {alert}"
