"""``python -m tools.api_reference``: writes what the HTTP API is, for people and for programs.

``docs/api.md`` and ``docs/openapi.json`` are made of the views and of the classes that they read and answer, so they
say what those say; a test compares them with what is made here.
"""
