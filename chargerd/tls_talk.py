"""What both ends said in one TLS handshake, as far as it tells why it failed. An alert alone does not: the same one may
speak of our cipher suites or of our certificate, depending on what was said before.
"""

from enum import IntEnum


class Message(IntEnum):
    """Handshake messages that tell cases apart (RFC 8446, appendix B.3)."""

    SERVER_HELLO = 2
    NEW_SESSION_TICKET = 4
    CERTIFICATE = 11
    CERTIFICATE_REQUEST = 13
    SERVER_HELLO_DONE = 14
    CERTIFICATE_VERIFY = 15
    FINISHED = 20


class Alert(IntEnum):
    """Alerts that tell cases apart (RFC 8446, appendix B.2)."""

    CLOSE_NOTIFY = 0
    HANDSHAKE_FAILURE = 40
    BAD_CERTIFICATE = 42
    UNSUPPORTED_CERTIFICATE = 43
    CERTIFICATE_REVOKED = 44
    CERTIFICATE_EXPIRED = 45
    CERTIFICATE_UNKNOWN = 46
    UNKNOWN_CA = 48
    ACCESS_DENIED = 49
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INSUFFICIENT_SECURITY = 71
    INTERNAL_ERROR = 80
    USER_CANCELED = 90
    CERTIFICATE_REQUIRED = 116


_ALERT, _HANDSHAKE = 21, 22
_POLITE = frozenset({Alert.CLOSE_NOTIFY, Alert.USER_CANCELED})
"""An end like any other (RFC 8446, 6.1)."""


class Talk:
    """`heard` and `said`: the types of handshake messages of the CSMS and of the station. `alert_heard`, `alert_said`:
    the last alert of each, None: there was none. `silent`: the CSMS has not said a word. `has_client`: the station has
    a certificate to show.
    """

    def __init__(self) -> None:
        self.has_client = False
        self.heard: set[int] = set()
        self.said: set[int] = set()
        self.alert_heard: int | None = None
        self.alert_said: int | None = None
        self.silent = True

    def note(self, _end: object, direction: str, _version: object, kind: int, _what: int, data: bytes) -> None:
        """One message, as SSLContext._msg_callback tells it."""
        ours = direction == "write"
        self.silent = self.silent and ours
        if kind == _HANDSHAKE:
            (self.said if ours else self.heard).add(data[0])
        elif kind == _ALERT and data[1] not in _POLITE:
            if ours:
                self.alert_said = data[1]
            else:
                self.alert_heard = data[1]
