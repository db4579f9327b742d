"""A development OpenID provider: real OpenID Connect over HTTP, for the lab and for tests. Never for production.

Whoever clicks a name is that person: there is no password. That is why it binds nothing but loopback.
"""
