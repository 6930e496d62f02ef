"""How a verified payload becomes a slot that can be started: one file each for each way to do it."""
