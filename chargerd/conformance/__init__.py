"""Certification cases of OCPP 2.0.1, each written once and run three ways: on virtual time, against the real processes
on the bench, and against a charger on a desk (`chargerctl conformance`).

How to write one: a function in cases/, named by its id, that says in its docstring what it shows and takes a
StationUnderTest. Lead the station where it has to be with the functions of steps.py, `sut.call` and `sut.expect` the
rest. `expect` looks for the first message nobody has looked at yet, so say what matters and leave out the rest; where
the order is free, expect one after the other. Nothing in a case knows which way it runs: wait for messages, never for
time alone, and keep real waits short by `settings`.

    @case("TC_E_15_CS", settings={"TxCtrlr.TxStopPoint": "Authorized"})
    def tc_e_15(sut: StationUnderTest) -> None:
        \"\"\"The same card again ends the charge.\"\"\"
        booted(sut)
        transaction_id = charging(sut)
        sut.present(VALID)
        event(sut, "Ended", trigger="StopAuthorized", transaction_id=transaction_id)
"""
