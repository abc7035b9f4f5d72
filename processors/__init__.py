"""The core (slices, windows, detectors, alerts, pricing, replay) and the Faust apps that drive it."""
