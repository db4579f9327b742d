"""``--quiet`` and ``--non-interactive``: how much a run says, and whether it may ask anybody anything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sshjit_client.storage.machine import Machine

QUIET, NON_INTERACTIVE = "--quiet", "--non-interactive"


def prepare(machine: Machine, flags: Collection[str]) -> Machine:
    """The machine as these options want it: nobody is asked, and no browser opened, where nobody shall be."""
    machine.terminal.quiet = QUIET in flags
    if NON_INTERACTIVE not in flags:
        return machine
    machine.terminal.never_ask()
    return replace(machine, environ={name: value for name, value in machine.environ.items() if name != "BROWSER"})
