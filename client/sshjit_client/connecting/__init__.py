"""A connection without a live certificate, from the request to ssh."""
