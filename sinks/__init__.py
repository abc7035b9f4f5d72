"""Where results land."""
