"""The security events of OCPP 2.0.1 (part 2, appendix 1), which of them are critical, and what causes each here.

Whoever publishes a SecurityEvent takes its name from here; docs/security-events.md is written from this table.
"""

import msgspec


class SecurityEventKind(msgspec.Struct, frozen=True):
    """One row. `critical`: it is pushed to the CSMS for certain, the others are only logged (A04). `cause`: what raises
    it in this station; with `occurs` False: why nothing can.
    """

    name: str
    critical: bool
    cause: str
    occurs: bool = True


TABLE = (
    SecurityEventKind(
        "FirmwareUpdated",
        True,
        "A new version was installed over OCPP, runs, and has been confirmed.",
    ),
    SecurityEventKind(
        "FailedToAuthenticateAtCsms",
        False,
        "The CSMS answers the handshake with HTTP 401 or 403, or refuses the client certificate. Once until the next "
        "connection.",
    ),
    SecurityEventKind(
        "CsmsFailedToAuthenticate",
        False,
        "The certificate of a CSMS is all that it authenticates itself with, so each such failure is an "
        "InvalidCsmsCertificate, and is not logged twice.",
        occurs=False,
    ),
    SecurityEventKind(
        "SettingSystemTime",
        True,
        "The wall clock moved against the monotonic one by more than ClockCtrlr.TimeAdjustmentReportingThreshold, "
        "whoever set it.",
    ),
    SecurityEventKind("StartupOfTheDevice", True, "The station process starts after the machine was switched on."),
    SecurityEventKind("ResetOrReboot", True, "The station process starts for any other reason, which is told."),
    SecurityEventKind(
        "SecurityLogWasCleared",
        True,
        "At the start rows of the security log are gone or changed (its chain of hashes does not hold), the file of "
        "the store was removed, or it was damaged and a new one was begun. Nothing in this software clears the log.",
    ),
    SecurityEventKind(
        "ReconfigurationOfSecurityParameters",
        False,
        "A password, a security profile, a certificate or key, or a variable of SecurityCtrlr was changed. The name "
        "is told and never the value.",
    ),
    SecurityEventKind(
        "MemoryExhaustion",
        True,
        "The process uses 9/10 of the memory that its unit gives it, less than 32 MiB of disk are left for the store, "
        "or the queue of undelivered messages is full. Again only after there was room.",
    ),
    SecurityEventKind(
        "InvalidMessages",
        False,
        "A frame of the CSMS that is no OCPP message, breaks the schema of its action, or answers a call of ours "
        "with what is no answer to it.",
    ),
    SecurityEventKind(
        "AttemptedReplayAttacks",
        False,
        "TLS and the masking of WebSocket frames keep others from repeating a message on a connection, an answer "
        "counts once, and signed messages are not offered. A CALL that is sent again under its old id is allowed "
        "(errata of part 4) and cannot be told from a replay by the CSMS itself.",
        occurs=False,
    ),
    SecurityEventKind("TamperDetectionActivated", True, "The input that watches the enclosure says that it is open."),
    SecurityEventKind(
        "InvalidFirmwareSignature",
        True,
        "A downloaded file is not what its signature says, or the request for it had none.",
    ),
    SecurityEventKind(
        "InvalidFirmwareSigningCertificate",
        True,
        "UpdateFirmware brings a certificate that may not sign firmware: not by a root of the manufacturer, expired, "
        "for another purpose, or revoked.",
    ),
    SecurityEventKind(
        "InvalidCsmsCertificate",
        True,
        "The certificate of the CSMS does not verify: its path, time, name or strength. Once until the next "
        "connection.",
    ),
    SecurityEventKind(
        "InvalidChargingStationCertificate",
        True,
        "CertificateSigned brings a chain that is not usable for the station.",
    ),
    SecurityEventKind(
        "InvalidTLSVersion", True, "The CSMS offers nothing newer than TLS 1.1. Once until the next connection."
    ),
    SecurityEventKind(
        "InvalidTLSCipherSuite", True, "The CSMS offers unsuitable cipher suites only. Once until the next connection."
    ),
    SecurityEventKind(
        "MaintenanceLoginAccepted", True, "Somebody on this machine is let in as technician on the local console."
    ),
    SecurityEventKind(
        "MaintenanceLoginFailed", True, "Somebody on this machine asks the local console for what he may not do."
    ),
    SecurityEventKind(
        "DiscardedRenewedClientCertificate",
        True,
        "No CSMS could be reached with a renewed client certificate, and the one before it is in use again.",
    ),
)

CRITICAL = frozenset(kind.name for kind in TABLE if kind.critical)
"""Events that must be pushed."""

assert len({kind.name for kind in TABLE}) == len(TABLE)
