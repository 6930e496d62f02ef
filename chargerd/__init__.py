"""An open OCPP 2.0.1 charging station controller: packages are pure cores, flat files are the shell round them."""
