"""The API of the server, as functions: what a connection needs, and all of it."""
