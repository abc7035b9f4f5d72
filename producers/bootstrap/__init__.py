"""What `tokentrail run` puts before a program: the directory that goes into PYTHONPATH, and nothing to import."""
