"""Reports: one value object built from rows, and renderers that turn it into text, HTML, JSON and CSV."""
