"""Certification cases that apply to this station and are not written, each with its reason."""

MISSING: dict[str, str] = {}
