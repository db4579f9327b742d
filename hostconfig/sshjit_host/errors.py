"""The errors that ssh-jit-host shows, and the exit code of each kind.

Each says in a sentence what is wrong and, where something can be done, in a hint what to do. ``__main__`` and ``watch``
print them.
"""

from __future__ import annotations


class HostError(Exception):
    """A problem of this host: a file, a folder, a missing program."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class ConfigError(HostError):
    """The command line or the configuration file is wrong."""

    exit_code = 2


class BundleRefused(HostError):
    """A bundle was offered that this host must not believe. Nothing was changed because of it."""

    exit_code = 4


class TooOld(BundleRefused):
    """This program must be upgraded before it can go by the bundle; the hint says to what."""


class SshdError(HostError):
    """sshd refuses the drop-in, or uses something else of its configuration instead."""

    exit_code = 5


class Unreachable(HostError):
    """The front end cannot be reached, or does not answer as one."""

    exit_code = 8
