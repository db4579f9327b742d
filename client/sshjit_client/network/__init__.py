"""Connections of the client's own: sockets and HTTP with a deadline."""
