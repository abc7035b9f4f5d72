"""Middleware of web servers: whoever sends a request to the service is behind the calls made for it."""
