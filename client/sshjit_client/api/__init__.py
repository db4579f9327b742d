"""The server's API as functions: ``basic`` has what a connection needs, ``full`` has all of it."""
