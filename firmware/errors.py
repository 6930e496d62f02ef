"""Every reason for which firmware is refused, by name. Whoever asks is told one of these and a line to read."""

from enum import StrEnum

_MAX_WHY = 200
"""Reasons are cut here: they may quote what an attacker wrote."""


class Refusal(StrEnum):
    """Why not. The names are stable: the updater sends them over its socket, and the log is searched for them."""

    # The bundle (bundle.py, verify.py)
    BAD_MAGIC = "bad-magic"
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing-bytes"
    BAD_KEY_LIST = "bad-key-list"
    UNKNOWN_SIGNER = "unknown-signer"
    REVOKED_SIGNER = "revoked-signer"
    BAD_SIGNATURE = "bad-signature"
    TOO_FEW_SIGNATURES = "too-few-signatures"
    WRONG_PRODUCT = "wrong-product"
    WRONG_HARDWARE = "wrong-hardware"
    WRONG_KIND = "wrong-kind"
    ROLLED_BACK = "rolled-back"
    BAD_TABLE = "bad-table"
    BAD_CHUNK = "bad-chunk"
    BAD_TREE = "bad-tree"

    # The device (slots.py, rollback.py, updater.py, launcher.py)
    BAD_REQUEST = "bad-request"
    NOT_ALLOWED = "not-allowed"
    ON_TRIAL = "on-trial"
    NOTHING_STAGED = "nothing-staged"
    SLOT_DAMAGED = "slot-damaged"
    FLOOR_UNREADABLE = "floor-unreadable"
    WRITABLE_CODE = "writable-code"
    MEDIUM_FAILED = "medium-failed"
    TOO_SLOW = "too-slow"
    INSTALLER_FAILED = "installer-failed"

    # The signing certificate of OCPP (ocpp_signature.py)
    BAD_CERTIFICATE = "bad-certificate"
    NOT_OF_THE_MANUFACTURER = "not-of-the-manufacturer"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    WRONG_USAGE = "wrong-usage"
    WEAK = "weak"
    REVOKED_CERTIFICATE = "revoked-certificate"
    BAD_FILE_SIGNATURE = "bad-file-signature"


class FirmwareError(Exception):
    """Refused: `refusal` by name, `why` in a line of at most 200 printable characters."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        self.refusal = refusal
        self.why = "".join(sign if sign.isprintable() else "?" for sign in why[:_MAX_WHY])
        super().__init__(f"{refusal}: {self.why}")
