"""This machine's OpenSSH: its configuration, what is in effect, what it can read, and our part of it."""
