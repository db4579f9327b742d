"""``make deb``: the Debian packages of a checkout."""
