"""Servers with certificates that are wrong in one thing: path, name, time, strength, purpose, revocation."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509

from chargerd.ocpp.events import LinkFailure
from tests.chargerd.certificates import CLIENT_AUTH, Issued, new_key, revocation_list, sign
from tests.tls.matrix import Authorities, Case
from tests.tls.servers import HOST, altered, tls, wrong_signature

BAD = LinkFailure.BAD_CERTIFICATE
NOW = datetime.now(UTC)
CRITICAL = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
WRONG_HOST, TOO_WEAK, NOBODY = "for another host", "too weak", "signed by nobody we trust"


def shows(name: str, make: Any, why: str, **more: Any) -> Case:
    """A case of a server that shows what `make` makes of the authorities."""
    return Case(name, lambda a: tls(make(a)), BAD, why, **more)


def below(a: Authorities, **options: Any) -> Issued:
    """A leaf under an authority that is wrong in something."""
    return a.leaf(sign(a.root, "Odd sub-CA", **({"ca": True} | options)))


def only_with(*names: str) -> tuple[x509.ExtensionType, bool]:
    """Name constraints: these alone."""
    return x509.NameConstraints([x509.DNSName(name) for name in names], None), True


def never_with(*names: str) -> tuple[x509.ExtensionType, bool]:
    """Name constraints: all but these."""
    return x509.NameConstraints(None, [x509.DNSName(name) for name in names]), True


def tower(a: Authorities, stories: int) -> Issued:
    """A leaf under so many authorities, one above the other."""
    top = a.root
    for number in range(stories):
        top = sign(top, f"Story {number}", ca=True)
    return a.leaf(top)


def without_path(shown: Issued) -> Issued:
    """The same, and none of the certificates above it."""
    return Issued(shown.certificate, shown.key)


def with_path(shown: Issued, *above: Issued) -> Issued:
    """The same, with others above it than those that signed it."""
    return Issued(shown.certificate, shown.key, [each.certificate for each in above])


@cache
def weak_root() -> Issued:
    """Which the station trusts, wrongly."""
    return sign(name="Weak root", kind="RSA-1024")


@cache
def old_root() -> Issued:
    """Which the station trusts, still."""
    return sign(name="Old root", days=(-30, -1))


PATH = (
    shows("of an unknown root", lambda a: a.leaf(a.other), NOBODY),
    shows(
        "of an unknown root that it sends along", lambda a: with_path(a.leaf(a.other), a.other), "root we do not trust"
    ),
    shows("of a root with the right name and another key", lambda a: a.leaf(sign(name="CSO root")), NOBODY),
    shows("signed by itself", lambda _a: sign(None, HOST, ca=False, names=None), "signed by itself"),
    shows("a root of its own", lambda _a: sign(None, HOST, names=None), "signed by itself"),
    shows("without its intermediate certificate", lambda a: without_path(a.good), NOBODY),
    shows("with another intermediate certificate", lambda a: with_path(a.good, sign(a.root, "X", ca=True)), NOBODY),
    shows("signed with another key", lambda a: a.leaf(signed_with=new_key("P-256")), "signature"),
    shows("under an authority that nobody signed", lambda a: below(a, signed_with=new_key("P-256")), "signature"),
    shows("signed by another server's certificate", lambda a: sign(a.good, HOST, names=None), "no authority"),
    shows("under a CA that says it is none", lambda a: below(a, ca=False, usage="key_cert_sign"), "no authority"),
    shows("under a CA that does not say it is one", lambda a: below(a, without="constraints"), "no authority"),
    shows("under a CA whose key is for other things", lambda a: below(a, usage="digital_signature"), "no authority"),
    shows(
        "under a CA below one that allows none",
        lambda a: a.leaf(sign(sign(a.root, "Last", ca=True, path_length=0), "Beyond", ca=True)),
        "no such authority below",
    ),
    shows("under five CAs", lambda a: tower(a, 5), "7 certificates"),
    shows("under nine CAs", lambda a: tower(a, 9), "11 certificates"),
    shows(
        "for whom an authority may not sign", lambda a: below(a, extensions=[only_with("example.org")]), "may not sign"
    ),
    shows("of a name that is ruled out", lambda a: below(a, extensions=[never_with("example.test")]), "excluded"),
    shows(
        "of a common name that is ruled out",
        lambda a: sign(sign(a.root, "Odd", ca=True, extensions=[only_with("example.org")]), HOST),
        "may not sign",
    ),
    shows("with a critical extension nobody knows", lambda a: a.leaf(extensions=[CRITICAL]), "critical extension"),
    shows("under a CA with such an extension", lambda a: below(a, extensions=[CRITICAL]), "critical extension"),
    shows("for TLS clients", lambda a: a.leaf(purposes=[CLIENT_AUTH]), "not for TLS servers"),
    shows("for signing software", lambda a: a.leaf(purposes=[x509.OID_CODE_SIGNING]), "not for TLS servers"),
    shows("for signing certificates", lambda a: a.leaf(usage="key_cert_sign"), "not for TLS servers"),
    shows("under a CA for TLS clients", lambda a: below(a, purposes=[CLIENT_AUTH]), "not for TLS servers"),
    Case(
        "of which it does not hold the key",
        lambda a: altered(tls(a.good, newest=ssl.TLSVersion.TLSv1_2), wrong_signature),
        BAD,
        "does not prove",
    ),
)

STRENGTH = (
    shows("of RSA 1024", lambda a: a.leaf(kind="RSA-1024"), TOO_WEAK),
    shows("of a CA of RSA 1024", lambda a: below(a, kind="RSA-1024"), TOO_WEAK),
    shows("of a CA of 192 bits", lambda a: below(a, kind="P-192"), TOO_WEAK),
    shows("on a curve that it spells out", lambda a: a.spelled_out(), "spells out a curve"),
    shows("signed with SHA-1", lambda a: a.weak("sha1"), TOO_WEAK),
    shows("signed with MD5", lambda a: a.weak("md5", sign(a.root, "RSA sub-CA", ca=True, kind="RSA-2048")), TOO_WEAK),
    shows("under a CA signed with SHA-1", lambda a: a.leaf(a.weak_sub), TOO_WEAK),
    shows(
        "of a root of RSA 1024",
        lambda a: a.leaf(weak_root()),
        TOO_WEAK,
        trying=lambda _a: {"roots": (weak_root(),)},
    ),
)

NAME = (
    shows("for another host", lambda a: a.leaf(name="other.example.test"), WRONG_HOST),
    shows("for another common name", lambda a: sign(a.sub, "other.example.test"), WRONG_HOST),
    shows("for another host, with our common name", lambda a: a.leaf(names=["other.example.test"]), WRONG_HOST),
    shows("for the domain above", lambda a: a.leaf(name="example.test"), WRONG_HOST),
    shows("for a host below", lambda a: a.leaf(name=f"a.{HOST}"), WRONG_HOST),
    shows("for a name that ends like ours", lambda a: a.leaf(name=f"evil-{HOST}"), WRONG_HOST),
    shows("for a name that goes on after a zero", lambda a: sign(a.sub, f"{HOST}\0.evil.test"), WRONG_HOST),
    shows("for nobody", lambda a: sign(a.sub, "", organization=""), WRONG_HOST),
    shows("for all of a domain", lambda a: a.leaf(name="x", names=["*.example.test"]), WRONG_HOST),
    shows("for all of a domain, by common name", lambda a: sign(a.sub, "*.example.test"), WRONG_HOST),
    shows(
        "for a part of all of a domain, where wildcards are allowed",
        lambda a: a.leaf(names=["cs*.example.test"]),
        WRONG_HOST,
        trying=lambda _a: {"wildcards": True},
    ),
    shows(
        "for all of a domain above, where wildcards are allowed",
        lambda a: a.leaf(names=["*.test"]),
        WRONG_HOST,
        trying=lambda _a: {"wildcards": True},
    ),
    shows(
        "for all the world, where wildcards are allowed",
        lambda a: a.leaf(names=["*"]),
        WRONG_HOST,
        trying=lambda _a: {"wildcards": True},
    ),
    shows(
        "for another address", lambda a: a.leaf(names=["127.0.0.2"]), "address", trying=lambda _a: {"host": "127.0.0.1"}
    ),
    shows(
        "for an address in its common name",
        lambda a: sign(a.sub, "127.0.0.1"),
        "address",
        trying=lambda _a: {"host": "127.0.0.1"},
    ),
)

TIME = (
    shows("that has expired", lambda a: a.leaf(days=(-30, -1)), "expired"),
    shows("that expired a minute ago", lambda a: a.leaf(days=(-30, -1 / 1440)), "expired"),
    shows("that is not valid yet", lambda a: a.leaf(days=(1, 30)), "not valid yet"),
    shows("under a CA that has expired", lambda a: below(a, days=(-30, -1)), "expired"),
    shows("under a CA that is not valid yet", lambda a: below(a, days=(1, 30)), "not valid yet"),
    shows(
        "of a root that has expired",
        lambda a: a.leaf(old_root()),
        "expired",
        trying=lambda _a: {"roots": (old_root(),)},
    ),
    shows(
        "that has expired, though the clock stands years back",
        lambda a: a.leaf(days=(-30, -2)),
        "expired on",
        trying=lambda _a: {"clock": datetime(1970, 1, 1, tzinfo=UTC), "floor": NOW - timedelta(days=1)},
    ),
    shows(
        "that has expired, though a confirmed clock is behind the floor",
        lambda a: a.leaf(days=(-30, -2)),
        "expired on",
        trying=lambda _a: {"clock": NOW - timedelta(days=9), "synced": True, "floor": NOW - timedelta(days=1)},
    ),
    shows(
        "that has expired by a clock nobody has confirmed",
        lambda a: a.leaf(days=(-30, -2)),
        "expired on",
        trying=lambda _a: {"clock": NOW, "synced": False},
    ),
    shows(
        "whose CA expired before it began, though the clock stands years back",
        lambda a: a.leaf(sign(a.root, "Gone", ca=True, days=(-30, 2)), days=(5, 9)),
        "before another began",
        trying=lambda _a: {"clock": datetime(1970, 1, 1, tzinfo=UTC), "floor": NOW - timedelta(days=9)},
    ),
)


def revoking(*revoked: str, **lists: Any) -> Any:
    """Lists of the root and of the sub-CA on which stand "good" and "sub". `lists`: options of that of the sub-CA."""

    def trying(a: Authorities) -> dict[str, Any]:
        of_root = revocation_list(a.root, [a.sub] if "sub" in revoked else [])
        of_sub = revocation_list(a.sub, [a.good] if "good" in revoked else [], **lists)
        return {"crl": of_root + of_sub}

    return trying


REVOKED = (
    shows("that was revoked", lambda a: a.good, "revoked", trying=revoking("good")),
    shows("under a CA that was revoked", lambda a: a.good, "revoked", trying=revoking("sub")),
    shows(
        "of a CA without a list",
        lambda a: a.good,
        "no revocation list",
        trying=lambda a: {"crl": revocation_list(a.root)},
    ),
    shows(
        "of a root without a list",
        lambda a: a.good,
        "no revocation list",
        trying=lambda a: {"crl": revocation_list(a.sub)},
    ),
    shows("of a CA with an old list", lambda a: a.good, "list that has expired", trying=revoking(days=(-9, -1))),
    shows(
        "of a CA with a list of tomorrow", lambda a: a.good, "list that is not valid yet", trying=revoking(days=(1, 9))
    ),
    shows(
        "of a CA with a forged list", lambda a: a.good, "wrong signature", trying=revoking(signed_with=new_key("P-256"))
    ),
    shows(
        "of a CA with an old list, though the clock stands years back",
        lambda a: a.good,
        "expired on",
        trying=lambda a: (
            revoking(days=(-9, -2))(a) | {"clock": datetime(1970, 1, 1, tzinfo=UTC), "floor": NOW - timedelta(days=1)}
        ),
        connects=False,
    ),
)
