"""The simulated plant: one physical model, seen through windows that have the shape of real devices."""
