"""The other half of the matrix: what a station must not be too strict for. Each differs in one thing from the usual,
and gets its request.
"""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from chargerd.ocpp.events import LinkUp
from tests.chargerd.certificates import SERVER_AUTH, Issued, revocation_list, sign, sign_request
from tests.tls.hostile_certificates import below, only_with, tower, with_path, without_path
from tests.tls.matrix import Authorities, authorities
from tests.tls.servers import HOST, HostileServer, Serve, cut, tls
from tests.tls.station import Trying, attempt

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NOW = datetime.now(UTC)
YEARS_BACK = {"clock": datetime(1970, 1, 1, tzinfo=UTC), "synced": False}


@dataclass(frozen=True, slots=True)
class Good:
    """A server that is served. `root`: where its path ends."""

    name: str
    serve: Callable[[Authorities], Serve]
    trying: Callable[[Authorities], dict[str, Any]] = lambda _a: {}
    root: Callable[[Authorities], Issued] = lambda a: a.root


def only(suite: str, kind: str) -> Good:
    """A server with one suite of TLS 1.2, and the key for it."""
    return Good(suite, lambda a: tls(a.leaf(kind=kind), newest=V1_2, suites=suite))


def plain_root() -> Issued:
    """A root as many tools make it by default: it does not say what its key is for."""
    return ROOTS.setdefault("plain", sign(name="Plain root", usage=None))


def bare_root() -> Issued:
    """A root that does not even name its key."""
    return ROOTS.setdefault("bare", sign(name="Bare root", usage=None, without="subject-key authority-key"))


def next_root(a: Authorities) -> Issued:
    """A root that the old one has signed (M05)."""
    return ROOTS.setdefault("next", sign(a.root, "Next root", ca=True))


ROOTS: dict[str, Issued] = {}


def lists(a: Authorities) -> dict[str, Any]:
    """Lists of the root and of the sub-CA, on which somebody else stands."""
    return {"crl": revocation_list(a.root, [a.other]) + revocation_list(a.sub, [a.leaf()])}


def client(a: Authorities) -> dict[str, Any]:
    """The station has a certificate."""
    return {"client": partial(sign_request, a.clients)}


def in_disorder(shown: Issued) -> Issued:
    """The same, with its path the wrong way round."""
    return Issued(shown.certificate, shown.key, shown.above[::-1])


GOOD = (
    Good("TLS 1.2", lambda a: tls(a.good, newest=V1_2)),
    Good("TLS 1.3", lambda a: tls(a.good, oldest=V1_3)),
    *(
        only(suite, kind)
        for suite, kind in (
            ("ECDHE-ECDSA-AES128-GCM-SHA256", "P-256"),
            ("ECDHE-ECDSA-AES256-GCM-SHA384", "P-384"),
            ("ECDHE-RSA-AES128-GCM-SHA256", "RSA-2048"),
            ("ECDHE-RSA-AES256-GCM-SHA384", "RSA-3072"),
        )
    ),
    Good("of RSA 2048", lambda a: tls(a.leaf(kind="RSA-2048"))),
    Good("of Ed25519", lambda a: tls(a.leaf(kind="Ed25519"))),
    Good("of a CA of 224 bits", lambda a: tls(below(a, kind="P-224"))),
    Good("directly below the root", lambda a: tls(a.leaf(a.root))),
    Good("under four CAs", lambda a: tls(tower(a, 4))),
    Good("with the root sent along", lambda a: tls(with_path(a.good, a.sub, a.root))),
    Good("with its path in disorder", lambda a: tls(in_disorder(tower(a, 3)))),
    Good("by its common name alone", lambda a: tls(sign(a.sub, HOST))),
    Good("by its common name in capitals", lambda a: tls(sign(a.sub, HOST.upper()))),
    Good("by one of many names", lambda a: tls(a.leaf(name="x", names=["y.test", HOST, "10.0.0.1"]))),
    Good("by its address", lambda a: tls(a.leaf(names=["127.0.0.1"])), lambda _a: {"host": "127.0.0.1"}),
    Good(
        "for all of a domain, where that is allowed",
        lambda a: tls(a.leaf(name="x", names=["*.example.test"])),
        lambda _a: {"wildcards": True},
    ),
    Good(
        "for all of a domain by common name, where that is allowed",
        lambda a: tls(sign(a.sub, "*.example.test")),
        lambda _a: {"wildcards": True},
    ),
    Good("where its authority may sign for it", lambda a: tls(below(a, extensions=[only_with("example.test")]))),
    Good("for TLS servers, it says", lambda a: tls(a.leaf(purposes=[SERVER_AUTH]))),
    Good("that does not say what for", lambda a: tls(a.leaf(usage=None))),
    Good("that names no key of its issuer", lambda a: tls(a.leaf(without="authority-key"))),
    Good("under a CA that names no key", lambda a: tls(below(a, without="subject-key authority-key", usage=None))),
    Good(
        "of a root that does not say what for",
        lambda a: tls(a.leaf(plain_root())),
        lambda _a: {"roots": (plain_root(),)},
        lambda _a: plain_root(),
    ),
    Good(
        "of a root that says next to nothing",
        lambda a: tls(a.leaf(bare_root())),
        lambda _a: {"roots": (bare_root(),)},
        lambda _a: bare_root(),
    ),
    Good(
        "of a root that replaces the one that signed it",
        lambda a: tls(with_path(a.leaf(next_root(a)), next_root(a))),
        lambda a: {"roots": (a.root, next_root(a))},
        next_root,
    ),
    Good(
        "of such a root alone",
        lambda a: tls(without_path(a.leaf(next_root(a)))),
        lambda a: {"roots": (next_root(a),)},
        next_root,
    ),
    Good("of the second of two roots", lambda a: tls(a.good), lambda a: {"roots": (a.other, a.root)}),
    Good("that is on no list", lambda a: tls(a.good), lists),
    Good(
        "that is on no list, while the clock stands years back", lambda a: tls(a.good), lambda a: lists(a) | YEARS_BACK
    ),
    Good("while the clock stands in 1970", lambda a: tls(a.good), lambda _a: YEARS_BACK),
    Good(
        "that began after the floor, while the clock stands in 1970",
        lambda a: tls(a.leaf(days=(-1, 9))),
        lambda _a: YEARS_BACK | {"floor": NOW - timedelta(days=30)},
    ),
    Good(
        "that began after a clock that nobody has confirmed",
        lambda a: tls(a.leaf(days=(-1, 9))),
        lambda _a: {"clock": NOW - timedelta(days=3), "synced": False, "floor": NOW - timedelta(days=4)},
    ),
    Good("that lasts for ever", lambda a: tls(a.leaf(days=(-1, 2_900_000))), lambda _a: YEARS_BACK),
    Good("that asks for our certificate", lambda a: tls(a.good, clients=a.clients), client),
    Good("that asks in TLS 1.2", lambda a: tls(a.good, clients=a.clients, newest=V1_2), client),
    Good("that asks for none", lambda a: tls(a.good), client),
    Good("that takes its time", lambda a: cut(tls(a.good), 9999, 0.0002)),
)


def gets_its_request(good: Good, folder: Path) -> None:
    made = authorities()
    server = HostileServer(good.serve(made))
    with server as port:
        down, events = attempt(Trying(**({"roots": (made.root,)} | good.trying(made))), port, folder)
    assert server.seen.secret.startswith(b"GET /ocpp/CS-1 HTTP/1.1"), down
    root_sha256 = hashlib.sha256(good.root(made).certificate.public_bytes(Encoding.DER)).hexdigest()
    assert events == [LinkUp(1, root_sha256), down]


@pytest.mark.parametrize("good", GOOD, ids=[each.name for each in GOOD])
def test_A00_FR_319_A00_FR_401_A00_FR_402_A00_FR_422_a_good_server_gets_its_request(good: Good, tmp_path: Path) -> None:
    gets_its_request(good, tmp_path)


def test_A00_FR_430_with_a_client_certificate_that_has_expired_the_decision_is_left_to_the_csms(tmp_path: Path) -> None:
    gets_its_request(
        Good(
            "that forgives",
            lambda a: tls(a.good, clients=a.clients, forgiving=True),
            lambda a: {"client": partial(sign_request, a.clients, days=(-9, -1))},
        ),
        tmp_path,
    )
