"""Certification cases that apply to this station and are not written, each with its reason."""

_CUSTOMERS = "CustomerInformation is answered with NotImplemented"

MISSING: dict[str, str] = {
    "TC_N_27_CS": _CUSTOMERS,
    "TC_N_28_CS": _CUSTOMERS,
    "TC_N_30_CS": _CUSTOMERS,
    "TC_N_31_CS": _CUSTOMERS,
    "TC_N_32_CS": _CUSTOMERS,
}
