"""The one place that makes TLS contexts. Verification is never off: certificate path, host name, TLS 1.2 or newer
(A00.FR.308-320).
"""

import ssl
from pathlib import Path

STATION_CIPHERS = ":".join(  # noqa: FLY002  one suite a line
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
    )
)
"""TLS 1.2 suites with forward secrecy (A00.FR.319/320); TLS 1.3 brings its own."""


class IdentityError(Exception):
    """Certificates cannot be used: which file, what is wrong with it."""


def csms_context(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the CSMS roots in `ca_file` (PEM), or the system's roots. Raises IdentityError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(STATION_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except FileNotFoundError as error:
        raise IdentityError(
            f"{ca_file}: no such file; csms.ca_file must name the CSMS's root certificates (PEM)"
        ) from error
    except (ssl.SSLError, OSError) as error:
        raise IdentityError(f"{ca_file}: holds no usable PEM certificate ({error})") from error
    if not context.cert_store_stats()["x509_ca"]:
        raise IdentityError(f"{Path(ca_file)}: holds no CA certificate; the server's own certificate is not enough")
    return context


def transfer_context(roots_pem: tuple[str, ...]) -> ssl.SSLContext:
    """A context for file servers: they may have the CSMS's roots or those of the system (N01.FR.15, N01.FR.16)."""
    context = csms_context(None)
    if roots_pem:
        context.load_verify_locations(cadata="\n".join(roots_pem))
    return context
