"""Other people's SSH libraries against a real host, with the files of ``ssh-jit path``: ``make test-clients``."""
