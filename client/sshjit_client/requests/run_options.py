"""``--quiet`` and ``--non-interactive``: how much a run says, and whether it may ask anybody anything."""

from __future__ import annotations

from collections.abc import Collection

from sshjit_client.storage.machine import Machine

QUIET, NON_INTERACTIVE = "--quiet", "--non-interactive"


def prepare(machine: Machine, flags: Collection[str]) -> Machine:
    """The machine as these options want it: nobody is asked, and no browser opened, where nobody shall be."""
    machine.terminal.quiet = QUIET in flags
    return machine.silent() if NON_INTERACTIVE in flags else machine
