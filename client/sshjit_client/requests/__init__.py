"""Requests for access: reading them from a command line, and showing them to people."""
