"""Which module of ``commands`` has which subcommand, of all that argparse reads."""

from __future__ import annotations

FILES = {
    "account": ("login", "logout", "whoami"),
    "requests": ("extend", "cancel", "done"),
    "decisions": ("approve", "deny", "comment", "review"),
    "request_lists": ("requests", "show"),
    "history": ("log", "open"),
    "locks": ("lock", "unlock", "locks", "revoke"),
    "setup": ("setup",),
    "status": ("status",),
    "doctor": ("doctor",),
    "hosts": ("hosts",),
    "passkeys": ("passkey",),
    "plain_ssh": ("config", "ensure", "path", "export"),
}
"""Module of ``commands`` -> the subcommands that it has, for all that argparse reads."""
FILE_OF = {command: file for file, commands in FILES.items() for command in commands}
"""Subcommand -> its module."""
COMMANDS = (*FILE_OF, "request", "explain", "break-glass", "policy", "completion")
"""Every subcommand."""
