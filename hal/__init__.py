"""Hardware: what a device must be able to do, the drivers that do it, and the simulated plant. Knows nothing of chargerd."""
