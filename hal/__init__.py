"""Hardware: what a device must do, the drivers that do it, and the simulated plant. Knows nothing of chargerd."""
