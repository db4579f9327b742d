"""``ssh-jit-host sessions``: runs the daemon, or puts its hook into PAM and takes it out."""

from __future__ import annotations

from collections.abc import Callable

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.machine import files
from sshjit_host.openssh import pam_hook
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.refresh import Refresher
from sshjit_host.sessions import daemon

Say = Callable[[str], None]


def run(config: Config, say: Say, *, install: bool, remove: bool) -> None:
    """Do what the command line asks for. Raises ``HostError``."""
    if install:
        install_hook(config, say)
    elif remove:
        remove_hook(config, say)
    else:
        daemon.run(config, say)


def install_hook(config: Config, say: Say) -> str:
    """Put the hook into PAM, and have sshd go by it; the way that it took. Raises ``HostError``."""
    bundle = Refresher(config, say).held()
    if bundle is None:
        raise HostError("this host holds no bundle", hint="ssh-jit-host refresh")
    with files.locked(config.home / ".lock"):
        before = pam_hook.service_in_use(config)
        chosen = pam_hook.install(config, bundle, say)
        try:
            DropIn(config).apply(say)
        except HostError:
            if not before:
                pam_hook.remove(config, say)
            raise
    return chosen


def remove_hook(config: Config, say: Say) -> None:
    """Have sshd go without the hook, and take it out of PAM. Raises ``HostError``."""
    with files.locked(config.home / ".lock"):
        if pam_hook.forget_service(config):
            DropIn(config).apply(say)
        pam_hook.remove(config, say)
