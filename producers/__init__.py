"""In the caller's process: recorder, publisher, shims. Never raises into the caller, never blocks it."""
