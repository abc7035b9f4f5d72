"""Made-up traffic of a made-up company, shaped by a real trace, with labelled incidents in it. Needs NumPy."""
