"""Core 2: the OCPP 2.0.1 station. Events and `now` in; effects out. Pure but for the injected Store."""
