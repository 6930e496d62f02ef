"""ISO15118Ctrlr: what the site and the CSMS say about vehicles that identify themselves by certificate. Declared only
where something speaks ISO 15118 with them.
"""

from chargerd.ocpp.variables import AnyVariable, boolean, string

COMPONENT = "ISO15118Ctrlr"

PNC_ENABLED = boolean(
    COMPONENT,
    "PnCEnabled",
    True,
    writable=True,
    required=False,
    doc="Whether vehicles may identify themselves by their contract certificate (C07).",
)
CENTRAL_CONTRACT_VALIDATION_ALLOWED = boolean(
    COMPONENT,
    "CentralContractValidationAllowed",
    False,
    writable=True,
    required=False,
    doc="Whether the CSMS judges a contract certificate whose root is not installed here.",
)
CONTRACT_VALIDATION_OFFLINE = boolean(
    COMPONENT,
    "ContractValidationOffline",
    False,
    writable=True,
    doc="Whether a contract certificate that is valid by the roots installed here counts while offline.",
)
CONTRACT_CERTIFICATE_INSTALLATION_ENABLED = boolean(
    COMPONENT,
    "ContractCertificateInstallationEnabled",
    True,
    writable=True,
    required=False,
    doc="Whether vehicles may have their contract certificate installed or renewed through the station (M01, M02).",
)
V2G_CERTIFICATE_INSTALLATION_ENABLED = boolean(
    COMPONENT,
    "V2GCertificateInstallationEnabled",
    True,
    writable=True,
    required=False,
    doc="Whether the station asks for a V2G certificate of its own (A02, A03).",
)
SECC_ID = string(
    COMPONENT,
    "SeccId",
    "",
    max_length=64,
    writable=True,
    required=False,
    doc="Name of the station in its V2G certificate. Empty: it asks for none.",
)
COUNTRY_NAME = string(
    COMPONENT,
    "CountryName",
    "",
    max_length=2,
    writable=True,
    required=False,
    doc="Country in the V2G certificate, two letters of ISO 3166-1. Empty: none is named.",
)
ORGANIZATION_NAME = string(
    COMPONENT,
    "OrganizationName",
    "",
    max_length=64,
    writable=True,
    required=False,
    doc="Operator in the V2G certificate. Empty: the one of SecurityCtrlr.",
)

ALL: tuple[AnyVariable, ...] = (
    PNC_ENABLED,
    CENTRAL_CONTRACT_VALIDATION_ALLOWED,
    CONTRACT_VALIDATION_OFFLINE,
    CONTRACT_CERTIFICATE_INSTALLATION_ENABLED,
    V2G_CERTIFICATE_INSTALLATION_ENABLED,
    SECC_ID,
    COUNTRY_NAME,
    ORGANIZATION_NAME,
)
