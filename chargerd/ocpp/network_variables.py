"""Variables that say how the CSMS is reached: who we are, the slots, the waits between attempts."""

from chargerd.ocpp.variables import AnyVariable, boolean, integer, member_list, sequence_list, string

SLOTS = ("1", "2", "3")
"""Configuration slots; two at least (B09.FR.06). Slot 1 starts with what the site settings say."""

PASSWORD_MIN_CHARACTERS = 16
PASSWORD_MAX_CHARACTERS = 64
"""A00.FR.205 as corrected: maxLimit between 40 and 64."""

ACTIVE_NETWORK_PROFILE = integer("OCPPCommCtrlr", "ActiveNetworkProfile", 1, doc="The slot in use.")
MESSAGE_TIMEOUT = integer(
    "OCPPCommCtrlr",
    "MessageTimeout",
    30,
    instance="Default",
    unit="s",
    doc="How long an answer of the CSMS is waited for; from the active slot.",
)
FILE_TRANSFER_PROTOCOLS = member_list(
    "OCPPCommCtrlr",
    "FileTransferProtocols",
    ("HTTP", "HTTPS"),
    values=("HTTP", "HTTPS"),
    doc="How files may be fetched and delivered.",
)
NETWORK_CONFIGURATION_PRIORITY = sequence_list(
    "OCPPCommCtrlr",
    "NetworkConfigurationPriority",
    (SLOTS[0],),
    values=SLOTS,
    writable=True,
    reboot=True,
    doc="Slots in the order in which they are tried.",
)
NETWORK_PROFILE_CONNECTION_ATTEMPTS = integer(
    "OCPPCommCtrlr",
    "NetworkProfileConnectionAttempts",
    3,
    writable=True,
    minimum=1,
    maximum=1000,
    doc="Attempts on one slot before the next one is tried (B10.FR.03).",
)
RETRY_BACK_OFF_REPEAT_TIMES = integer(
    "OCPPCommCtrlr",
    "RetryBackOffRepeatTimes",
    5,
    writable=True,
    minimum=0,
    maximum=20,
    doc="How often the wait between attempts doubles.",
)
RETRY_BACK_OFF_RANDOM_RANGE = integer(
    "OCPPCommCtrlr",
    "RetryBackOffRandomRange",
    10,
    unit="s",
    writable=True,
    minimum=0,
    maximum=86400,
    doc="Upper bound of the random part of each wait.",
)
RETRY_BACK_OFF_WAIT_MINIMUM = integer(
    "OCPPCommCtrlr",
    "RetryBackOffWaitMinimum",
    5,
    unit="s",
    writable=True,
    minimum=1,
    maximum=86400,
    doc="The first wait after a failed attempt or a lost link, without its random part.",
)
WEB_SOCKET_PING_INTERVAL = integer(
    "OCPPCommCtrlr",
    "WebSocketPingInterval",
    30,
    unit="s",
    writable=True,
    minimum=0,
    maximum=86400,
    doc="Interval of pings on the open link; 0 sends none.",
)
IDENTITY = string("SecurityCtrlr", "Identity", "", max_length=48, required=False, doc="Who the station says it is.")
BASIC_AUTH_PASSWORD = string(
    "SecurityCtrlr",
    "BasicAuthPassword",
    "",
    min_length=PASSWORD_MIN_CHARACTERS,
    max_length=PASSWORD_MAX_CHARACTERS,
    write_only=True,
    persistent=False,
    doc="A new password of HTTP Basic authentication; it is kept with the station's other credentials (A01).",
)
SECURITY_PROFILE = integer(
    "SecurityCtrlr", "SecurityProfile", 1, minimum=1, maximum=3, doc="Security profile of the last connection (A00)."
)
ALLOW_SECURITY_PROFILE_DOWNGRADE = boolean(
    "SecurityCtrlr",
    "AllowSecurityProfileDowngrade",
    False,
    required=False,
    doc="Whether the CSMS may go from security profile 3 back to 2; the site alone says so (A00.FR.005).",
)
ALLOW_CSMS_TLS_WILDCARDS = boolean(
    "SecurityCtrlr",
    "AllowCSMSTLSWildcards",
    False,
    required=False,
    writable=True,
    doc="Whether a certificate for *.example.com may name the CSMS.",
)

ALL: tuple[AnyVariable, ...] = (
    ACTIVE_NETWORK_PROFILE,
    MESSAGE_TIMEOUT,
    FILE_TRANSFER_PROTOCOLS,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    RETRY_BACK_OFF_REPEAT_TIMES,
    RETRY_BACK_OFF_RANDOM_RANGE,
    RETRY_BACK_OFF_WAIT_MINIMUM,
    WEB_SOCKET_PING_INTERVAL,
    IDENTITY,
    SECURITY_PROFILE,
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    ALLOW_CSMS_TLS_WILDCARDS,
)
