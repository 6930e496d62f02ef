"""Signed firmware updates: format, verification, slots. Knows neither chargerd nor hal."""
