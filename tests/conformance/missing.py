"""Certification cases that apply to this station and are not written, each with its reason."""

MISSING: dict[str, str] = {
    "TC_B_50_CS": "the root of the other CSMS is a certificate, and none is managed over OCPP yet",
}
