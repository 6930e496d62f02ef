"""How a CSMS lets stations in, as values. Whoever listens there, on a real socket or in memory, does as they say."""

from datetime import datetime

import msgspec

from chargerd.conformance.authority import CSMS_ROOT, SINCE, UNTIL, Authority, Identity, authority

SCHEMES = {1: "ws", 2: "wss", 3: "wss"}
"""How the URL of a CSMS begins, by the security profile that it serves."""


class Door(msgspec.Struct, kw_only=True):
    """What a station has to do to come in; a case may change it at any time.

    `security_profile`: the only one that is served (A00.FR.002). `authority`: who signed the server's certificate, None
    without TLS; `named`: for which host, empty: the right one; `since`, `until`: when it is valid. `newest_tls`: the
    newest version that is spoken, "" for no limit, else "TLSv1.1" or "TLSv1.2". `passwords`: those that are right,
    None: any. `clients`: whose client certificates are accepted (3). `refused`: client certificates (the first of the
    chain, in PEM) that are not accepted all the same.
    """

    security_profile: int = 1
    authority: Authority | None = None
    named: str = ""
    since: datetime = SINCE
    until: datetime = UNTIL
    newest_tls: str = ""
    passwords: tuple[str, ...] | None = None
    clients: tuple[Authority, ...] = ()
    refused: tuple[str, ...] = ()

    def server(self, host: str) -> Identity:
        """What is shown to who comes to `host`; only where TLS is spoken."""
        assert self.authority is not None, "can't be asked where no TLS is spoken"
        return self.authority.server(self.named or host, self.since, self.until)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a station has shown at one attempt that came as far: the last part of its path, the user name and password
    of HTTP Basic authentication, its client certificate (the first of the chain, in PEM); empty: none. `tls`: the
    version that was agreed; `suites`: the cipher suites that were offered, by OpenSSL's names.
    """

    security_profile: int
    identity: str
    user: str = ""
    password: str = ""
    client_pem: str = ""
    tls: str = ""
    suites: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Shown({self.identity})"


def door(security_profile: int, password: str, root: str = CSMS_ROOT) -> Door:
    """The usual one of a security profile: opens for the password that the station was given, or for any certificate of
    the authority `root`.
    """
    if security_profile == 1:
        return Door(passwords=(password,))
    here = authority(root)
    if security_profile == 2:
        return Door(security_profile=2, authority=here, passwords=(password,))
    return Door(security_profile=3, authority=here, clients=(authority(CSMS_ROOT), here))
