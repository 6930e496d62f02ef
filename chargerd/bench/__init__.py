"""The bench: both processes as on the device, a simulated board, a CSMS and a page. Nothing of it runs on a charger."""
