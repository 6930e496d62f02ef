"""Core 1: IEC 61851. Readings, orders and `now` in; outputs and status out. Pure: no I/O, no clock, no logging."""
