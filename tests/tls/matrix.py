"""What a case of the matrix is, and the certification authorities that all of them share."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509

from chargerd.ocpp.events import LinkFailure
from tests.chargerd.certificates import Issued, sign
from tests.tls.servers import HOST, Serve
from tests.tls.station import Trying

EVENTS = {
    LinkFailure.BAD_CERTIFICATE: "InvalidCsmsCertificate",
    LinkFailure.OLD_TLS: "InvalidTLSVersion",
    LinkFailure.NO_COMMON_CIPHERS: "InvalidTLSCipherSuite",
    LinkFailure.CLIENT_CERTIFICATE_REFUSED: "FailedToAuthenticateAtCsms",
}
"""The security event of a failure (A00.FR.310, A00.FR.316, A00.FR.323); the others have none."""


class ShownAsIs(Issued):
    """What a server shows where no library would read it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, directory: Path, name: str = "server") -> Path:
        """As of any."""
        path = directory / f"{name}.pem"
        path.write_text(self.text)
        return path


class Authorities:
    """A root, the authority below it that signs for servers, and a root the station does not know."""

    def __init__(self) -> None:
        self.root = sign(name="CSO root")
        self.sub = sign(self.root, "CSO sub-CA", ca=True)
        self.other = sign(name="Other root")
        self.clients = sign(name="Client root")
        self.good = self.leaf()

    def leaf(self, by: Issued | None = None, name: str = HOST, **options: Any) -> Issued:
        """A server's certificate, right but for `options`."""
        return sign(by or self.sub, name, **({"names": None} | options))

    def weak(self, digest: str, by: Issued | None = None, *, ca: bool = False) -> Issued:
        """As `leaf`, or an authority, signed with a digest that the library for all others does not know any more."""
        by = by or self.sub
        name, names = ("Weak CA", ()) if ca else (HOST, (HOST,))
        sound = sign(None, name, ca=ca, names=names, without="authority-key")
        above = () if by is self.root else (by.certificate, *by.above)
        return Issued(_signed_again(sound, by, digest), sound.key, above)

    def spelled_out(self) -> Issued:
        """A server whose key spells its curve out, number by number, as one does who has made one up."""
        options = (
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-pkeyopt",
            "ec_param_enc:explicit",
            "-nodes",
        )
        with TemporaryDirectory() as folder:
            key, asked, signer = Path(folder, "key"), Path(folder, "asked"), self.sub.write(Path(folder), "signer")
            _openssl("req", *options, "-keyout", key, "-subj", f"/CN={HOST}", "-out", asked)
            shown = _openssl("x509", "-req", "-in", asked, "-CA", signer, "-set_serial", "4712")
            return ShownAsIs(key.read_text() + shown + self.sub.chain_pem)

    @cached_property
    def weak_sub(self) -> Issued:
        """An authority signed with SHA-1."""
        return self.weak("sha1", self.root, ca=True)


@cache
def authorities() -> Authorities:
    """Made once for a run."""
    return Authorities()


@dataclass(frozen=True, slots=True)
class Case:
    """A server, and what has to come of it. `why`: a part of the reason for people. `trying`: how the station tries
    that is not usual. `connects`: whether anybody comes at all.
    """

    name: str
    serve: Callable[[Authorities], Serve]
    failure: LinkFailure
    why: str
    trying: Callable[[Authorities], dict[str, Any]] = lambda _authorities: {}
    connects: bool = True

    @property
    def event(self) -> str | None:
        """The security event that has to follow."""
        return EVENTS.get(self.failure)

    def attempt(self) -> Trying:
        """How the station tries."""
        made = authorities()
        return Trying(**({"roots": (made.root,)} | self.trying(made)))


def _signed_again(sound: Issued, by: Issued, digest: str) -> x509.Certificate:
    with TemporaryDirectory() as folder:
        signer, leaf = by.write(Path(folder), "signer"), sound.write(Path(folder), "leaf")
        signed = _openssl("x509", "-in", leaf, "-CA", signer, f"-{digest}", "-set_serial", "4711")
        return x509.load_pem_x509_certificate(signed.encode())


def _openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout
