"""A development OpenID provider: real OpenID Connect over HTTP, for the lab and for tests. Never for production.

A click on a name signs in as that person, without a password. That is why it listens on loopback only.
"""
