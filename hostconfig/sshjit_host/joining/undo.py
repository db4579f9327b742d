"""Puts everything back, whichever run it was that did not get to its end, or because the host leaves.

sshd refuses everybody when its revocation list is missing. So the drop-in goes first, sshd is reloaded, and only then
goes what the drop-in named. The hook in PAM goes before the daemon that it asks. Each step may be done again: a run
that is cut off here is completed by the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from sshjit_host.config import DEFAULT_PATH, Config
from sshjit_host.errors import HostError
from sshjit_host.joining import session_setup, units
from sshjit_host.joining.journal import Entry, Journal
from sshjit_host.machine import files
from sshjit_host.openssh import beside, pam_hook, reloading

Say = Callable[[str], None]


def require_ours(config: Config) -> None:
    """Raise ``HostError`` if the folder that is ours alone, and goes whole, holds what is not ours."""
    others = [config.sshd_config, config.dropin, config.sshd, config.ssh_keygen, Path(DEFAULT_PATH), config.path]
    others += [config.pam / "sshd", config.run / "sessions"]
    if len(config.home.parts) < 3 or any(config.home in path.parents for path in others):
        raise HostError(
            f"{config.home} holds more than what is ours, so it is neither used nor removed",
            hint="name a folder for ssh-jit alone as `home` in host.json, such as /etc/ssh/ssh-jit",
        )


def all_of_it(config: Config, journal: Journal, say: Say) -> None:
    """Take away everything of ours. Raises ``HostError``, with the rest left for the next run, if it cannot be done."""
    for name in (*units.TAKERS, units.REFRESH):  # they would write anew what is taken away
        units.stop(name, say)
    entries = journal.entries
    for folder in {entry.path.parent for entry in entries}:
        if folder.is_dir():
            files.remove_leftovers(folder)
    # A refresh that is still under way is waited for.
    with files.locked(config.home / ".lock") if config.home.is_dir() else contextlib.nullcontext():
        for entry in entries:
            if entry.path == config.dropin and entry.put_back():
                say(f"{'removed' if entry.data is None else 'put back'} {entry.path}")
        beside.take_out(config, say)
        if config.home.is_dir():
            _unload(config, say)
        pam_hook.remove(config, say)
        session_setup.stop(config, say)
        for entry in reversed(entries):
            if entry.path != config.dropin and entry.put_back():
                say(_done(entry))
    units.forget()
    journal.remove()


def _unload(config: Config, say: Say) -> None:
    """Have sshd forget our files. Where it never took them, it need not be able to."""
    try:
        line = reloading.reload(config)
    except HostError:
        if (config.home / reloading.LOADED).exists():
            raise
        return
    say(line)
    if config.reload is None and (config.home / reloading.LOADED).exists():
        raise HostError(
            f"{config.home} stays until sshd is reloaded: without its revocation list sshd refuses everybody",
            hint=f"reload sshd, remove {config.home / reloading.LOADED}, and run ssh-jit-host leave again",
        )


def _done(entry: Entry) -> str:
    return f"put back {entry.path}" if entry.data is not None or entry.link else f"removed {entry.path}"
