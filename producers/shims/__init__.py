"""One file an HTTP library: what to put in place of which method, so that calls through it are recorded."""
