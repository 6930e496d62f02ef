"""Servers that speak TLS too old, too weak, broken, or not at all; and those that refuse the station."""

import ssl
from functools import partial
from typing import Any

from chargerd.ocpp.events import LinkFailure
from chargerd.tls import STATION_SUITES
from tests.chargerd.certificates import revocation_list, sign_request
from tests.tls.matrix import Authorities, Case
from tests.tls.servers import (
    Serve,
    alert,
    altered,
    cut,
    drips,
    first_this_then,
    garbled_certificate,
    handshake,
    record,
    resets,
    s_server,
    says,
    server_hello,
    tls,
)

V1_0, V1_1, V1_2, V1_3 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
OLD, SUITES, REFUSED = LinkFailure.OLD_TLS, LinkFailure.NO_COMMON_CIPHERS, LinkFailure.CLIENT_CERTIFICATE_REFUSED
FAILED, GONE, KEY = LinkFailure.TLS_FAILED, LinkFailure.UNREACHABLE, LinkFailure.KEY_UNUSABLE

DOWNGRADED = b"r" * 24 + b"DOWNGRD\x01"
"""RFC 8446, 4.1.3: whoever speaks 1.3 and is made to speak 1.2 says so."""


def raw(name: str, failure: LinkFailure, why: str, *answers: bytes, then: str = "hang up", **more: Any) -> Case:
    """A case of a server that just says these bytes."""
    return Case(name, lambda _a: says(*answers, then=then), failure, why, **more)


def only(name: str, suites: str, *, kind: str = "P-256") -> Case:
    """A case of a server with unsuitable suites of TLS 1.2 only."""
    return Case(name, lambda a: tls(a.leaf(kind=kind), suites=suites, newest=V1_2), SUITES, "cipher suite")


def s_only(name: str, suite: str, *options: str) -> Case:
    """Likewise, of a server that Python's cannot be."""
    return Case(
        name, lambda a: s_server(a.leaf(kind="RSA-2048"), "-tls1_2", "-cipher", suite, *options), SUITES, "cipher suite"
    )


def ends_after(size: int, version: ssl.TLSVersion) -> Case:
    """A case of a good server of which so many bytes arrive."""
    name = f"{version.name} is cut after {size} bytes"
    return Case(name, lambda a: cut(tls(a.good, newest=version), size), FAILED, "hung up")


def quick(_a: Authorities) -> dict[str, Any]:
    """Nobody has to wait long for those who do not answer."""
    return {"timeout_s": 0.4}


VERSIONS = (
    Case("TLS 1.0 only", lambda a: tls(a.good, oldest=V1_0, newest=V1_0), OLD, "TLS 1.2"),
    Case("TLS 1.1 only", lambda a: tls(a.good, oldest=V1_0, newest=V1_1), OLD, "TLS 1.2"),
    Case("TLS 1.1 only, of RSA", lambda a: tls(a.leaf(kind="RSA-2048"), oldest=V1_1, newest=V1_1), OLD, "TLS 1.2"),
    raw("answers TLS 1.1", OLD, "1.2 is needed", server_hello(0x0302)),
    raw("answers TLS 1.0", OLD, "1.2 is needed", server_hello(0x0301, 0x002F)),
    raw("answers SSL 3.0", OLD, "1.2 is needed", server_hello(0x0300, 0x002F)),
    raw("says that our versions are wrong", OLD, "neither TLS 1.2 nor 1.3", alert(70)),
    Case(
        "hangs up, and speaks TLS 1.0 with everybody else",
        lambda _a: first_this_then(says(), says(server_hello(0x0301, 0x002F))),
        OLD,
        "1.2 is needed",
    ),
    Case(
        "resets, and speaks SSL 3.0 with everybody else",
        lambda _a: first_this_then(says(then="reset"), says(server_hello(0x0300, 0x000A))),
        OLD,
        "1.2 is needed",
    ),
    Case(
        "is vague, and speaks TLS 1.1 with everybody else",
        lambda _a: first_this_then(says(alert(40)), says(server_hello(0x0302, 0xC013))),
        OLD,
        "1.2 is needed",
    ),
    raw("is talked down from 1.3 to 1.2 by somebody between", FAILED, "no TLS", server_hello(random=DOWNGRADED)),
)

WEAK = (
    only("RSA key exchange only", "AES128-GCM-SHA256:AES256-GCM-SHA384", kind="RSA-2048"),
    only("CBC only", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"),
    only("CBC only, of RSA", "ECDHE-RSA-AES128-SHA", kind="RSA-2048"),
    only("CCM only", "ECDHE-ECDSA-AES128-CCM8"),
    only("Camellia only", "ECDHE-ECDSA-CAMELLIA128-SHA256"),
    only("no encryption", "ECDHE-ECDSA-NULL-SHA"),
    only("no authentication", "AECDH-AES128-SHA"),
    s_only("finite fields only", "DHE-RSA-AES128-GCM-SHA256"),
    s_only("a key that both know only", "PSK-AES128-GCM-SHA256", "-psk", "ab12"),
    Case(
        "TLS 1.3 with CCM only",
        lambda a: s_server(a.good, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256"),
        SUITES,
        "0x1305",
    ),
    Case(
        "signs with SHA-1",
        lambda a: s_server(a.leaf(kind="RSA-2048"), "-tls1_2", "-sigalgs", "RSA+SHA1"),
        SUITES,
        "weaker",
    ),
    Case(
        "signs with SHA-1 on a curve", lambda a: s_server(a.good, "-tls1_2", "-sigalgs", "ECDSA+SHA1"), SUITES, "weaker"
    ),
    Case("an odd curve only", lambda a: tls(a.good, curve="secp256k1", newest=V1_2), SUITES, "weaker"),
    Case("a curve of 192 bits only", lambda a: tls(a.good, curve="prime192v1", newest=V1_2), SUITES, "weaker"),
    Case("a certificate of 192 bits", lambda a: tls(a.leaf(kind="P-192")), SUITES, "weaker"),
    raw("picks a suite nobody offered", SUITES, "not offered", server_hello(suite=0x002F)),
    raw("picks RC4", SUITES, "not offered", server_hello(suite=0x0005)),
    raw("picks no encryption", SUITES, "not offered", server_hello(suite=0x0002)),
    raw("picks a suite of TLS 1.3 for 1.2", SUITES, "not offered", server_hello(suite=0x1301)),
    raw("says that our security is not enough", SUITES, STATION_SUITES[0], alert(71)),
    raw("compresses", FAILED, "compression", server_hello(compression=1)),
)

BROKEN = (
    raw("no TLS but HTTP", FAILED, "no TLS", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    raw("no TLS but SSH", FAILED, "no TLS", b"SSH-2.0-OpenSSH_9.2\r\n"),
    raw("noise", FAILED, "no TLS", bytes(range(7, 256)) * 9),
    raw("SSL 2.0", FAILED, "no TLS", b"\x80\x2e\x04\x00\x01\x00\x02" + b"\0" * 40),
    raw("a record that is too long", FAILED, "no TLS", b"\x16\x03\x03\xff\xff" + b"x" * 65_535),
    raw("an empty record", FAILED, "", record(22, b"") * 40),
    raw("data before the handshake", FAILED, "no TLS", record(23, b"hello")),
    raw("a ServerHello that ends too early", FAILED, "no TLS", handshake(2, b"\x03\x03")),
    raw("a ServerHello with a tail", FAILED, "no TLS", handshake(2, server_hello()[9:] + b"tail")),
    raw("another message first", FAILED, "no TLS", handshake(11, b"\0\0\0")),
    raw("no certificate", FAILED, "no TLS", server_hello(), handshake(11, b"\0\0\0"), handshake(14, b"")),
    raw("a certificate of 16 MB", FAILED, "no TLS", server_hello(), record(22, b"\x0b\xff\xff\xff" + b"x" * 9000)),
    raw("the handshake is over before it began", FAILED, "no TLS", server_hello(), handshake(20, b"\0" * 12)),
    raw("an extension nobody asked for", FAILED, "no TLS", server_hello(more=b"\x00\x10\x00\x05\x00\x03\x02h2")),
    raw("an error of its own", FAILED, "internal error", alert(80)),
    raw("an alert that does not exist", FAILED, "alert 255", alert(255)),
    raw("warnings without end", FAILED, "", *[alert(90, 1)] * 60),
    raw("it has no such name", FAILED, "alert 112", alert(112)),
    raw("is vague with everybody", FAILED, "handshake failure", alert(40)),
    Case(
        "garbage for a certificate", lambda a: altered(tls(a.good, newest=V1_2), garbled_certificate), FAILED, "no TLS"
    ),
)

CUT = (
    *(ends_after(size, version) for version in (V1_2, V1_3) for size in (7, 60, 300, 600)),
    Case("is cut within a header", lambda a: cut(tls(a.good), 3), GONE, ""),
    Case("is cut before a word", lambda a: cut(tls(a.good), 0), GONE, ""),
    raw("hangs up before a word", GONE, ""),
    Case("hangs up, and is good to all who come later", lambda a: first_this_then(says(), tls(a.good)), GONE, ""),
    Case("resets before a word", lambda _a: resets, GONE, ""),
    raw("never says a word", GONE, "no connection within", then="wait", trying=quick),
    raw("says one word only", GONE, "no connection within", server_hello(), then="wait", trying=quick),
    raw("says half a word", GONE, "no connection within", b"\x16\x03", then="wait", trying=quick),
    Case("says a byte now and then", lambda _a: drips, GONE, "no connection within", quick),
    Case("drips TLS 1.2", lambda a: cut(tls(a.good, newest=V1_2), 9999, 0.01), GONE, "no connection within", quick),
    Case("drips TLS 1.3", lambda a: cut(tls(a.good), 9999, 0.01), GONE, "no connection within", quick),
)


def shown(kind: str) -> Any:
    """How the station tries that has a client certificate: "right", "unknown" or "expired"; or none."""

    def trying(a: Authorities) -> dict[str, Any]:
        by = a.other if kind == "unknown" else a.clients
        return {"client": partial(sign_request, by, days=(-9, -1) if kind == "expired" else (-1, 30))}

    return (lambda _a: {}) if kind == "none" else trying


def wants(version: ssl.TLSVersion) -> Any:
    """A server that asks for client certificates."""
    return lambda a: tls(a.good, oldest=version, newest=version, clients=a.clients)


def broken(a: Authorities) -> dict[str, Any]:
    """The key of our certificate is damaged."""
    return {**shown("right")(a), "broken_key": True}


def of_another_key(a: Authorities) -> dict[str, Any]:
    """Our certificate is not of our key."""
    return {"client": lambda _csr_pem: a.good.pem}


def only_rsa_clients(a: Authorities) -> Serve:
    """Our kind of key is not among those that it takes."""
    asks = ("-Verify", "1", "-verify_return_error", "-client_sigalgs", "RSA-PSS+SHA256")
    return s_server(a.good, *asks)


OURS = (
    *(
        Case(
            f"{version.name} to whom our certificate is {kind}",
            wants(version),
            REFUSED,
            "client certificate",
            shown(kind),
        )
        for version in (V1_2, V1_3)
        for kind in ("none", "unknown", "expired")
    ),
    Case("asks for a key of another kind", only_rsa_clients, KEY, "cannot sign", shown("right")),
    Case("a key that is damaged", wants(V1_3), KEY, "", broken, connects=False),
    Case("a certificate of another key", wants(V1_3), KEY, "another key", of_another_key, connects=False),
)


def with_crl(text: str) -> Any:
    """How the station tries whose csms.crl_file says this."""
    return lambda _a: {"crl": text}


TRUST = (
    Case(
        "nothing in csms.crl_file",
        lambda a: tls(a.good),
        FAILED,
        "no usable revocation list",
        with_crl("\n"),
        connects=False,
    ),
    Case(
        "a certificate in csms.crl_file",
        lambda a: tls(a.good),
        FAILED,
        "holds certificates",
        lambda a: {"crl": revocation_list(a.root) + a.other.pem},
        connects=False,
    ),
    Case(
        "a root that cannot be read",
        lambda a: tls(a.good),
        FAILED,
        "cannot be read",
        lambda _a: {"roots_pem": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",)},
        connects=False,
    ),
)
