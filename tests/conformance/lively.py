"""How a station is set up for cases, unless the case itself says otherwise: short waits."""

SETTINGS = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "3",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
    "TxCtrlr.EVConnectionTimeOut": "8",
    "SampledDataCtrlr.TxUpdatedInterval": "0",
}
