"""What runs in the caller's process: shims, recorder, publisher. Never raises into the caller, never blocks it."""
