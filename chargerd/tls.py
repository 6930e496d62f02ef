"""The one place that makes TLS contexts. Verification is never off: certificate path, host name, TLS 1.2 or newer
(A00.FR.308-320).
"""

import ssl
from pathlib import Path

from chargerd.identity import IdentityError, KeyStore
from chargerd.ocpp.effects import OpenLink

STATION_CIPHERS = ":".join(  # noqa: FLY002  one suite a line
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
    )
)
"""TLS 1.2 suites with forward secrecy (A00.FR.319/320); TLS 1.3 brings its own."""


class TrustError(Exception):
    """What the CSMS is to be verified with cannot be used: which file, what is wrong with it."""


def context_for(order: OpenLink, keys: KeyStore | None) -> ssl.SSLContext:
    """The context for one connection. It may block: call it from a worker thread.

    Raises TrustError for roots that cannot be used, IdentityError for a client certificate or a key that cannot.
    """
    context = _strict_context()
    if order.roots_pem:
        _trust(context, order.roots_pem)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if order.client is not None:
        if keys is None:
            raise IdentityError("there is no store of private keys")
        keys.load_into(context, order.client)
    return context


def file_server_context(roots_pem: tuple[str, ...]) -> ssl.SSLContext:
    """A context for servers of files: one that the CSMS's roots vouch for (N01.FR.15), or one of another operator,
    whom those of the system do (N01.FR.16). It may block. Raises TrustError.
    """
    context = _strict_context()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if roots_pem:
        _trust(context, roots_pem)
    return context


def _strict_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(STATION_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    return context


def _trust(context: ssl.SSLContext, roots_pem: tuple[str, ...]) -> None:
    try:
        context.load_verify_locations(cadata="\n".join(roots_pem))
    except ssl.SSLError as error:
        raise TrustError(f"a CSMS root that is installed cannot be read ({error})") from error


def read_roots(ca_file: str) -> tuple[str, ...]:
    """The CSMS roots in a file, each in PEM. Raises TrustError."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusted.load_verify_locations(cafile=ca_file)
    except FileNotFoundError as error:
        raise TrustError(
            f"{ca_file}: no such file; csms.ca_file must name the CSMS's root certificates (PEM)"
        ) from error
    except (ssl.SSLError, OSError) as error:
        raise TrustError(f"{ca_file}: holds no usable PEM certificate ({error})") from error
    roots = trusted.get_ca_certs(binary_form=True)
    if not roots:
        raise TrustError(f"{Path(ca_file)}: holds no CA certificate; the server's own certificate is not enough")
    return tuple(ssl.DER_cert_to_PEM_cert(root) for root in roots)
