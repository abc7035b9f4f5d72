"""What makes tampering show: leaves, trees, signed checkpoints, and the checks of whoever verifies. No I/O but keys."""
