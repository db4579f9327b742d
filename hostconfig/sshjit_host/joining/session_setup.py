"""Has sessions end with their grants on this host: first the daemon, then its hook in PAM; out again in reverse.

With the hook and without a daemon to answer it, our certificates would be refused. So the daemon is seen to answer
before PAM is changed, and goes last.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.joining import journal, units
from sshjit_host.joining.journal import Entry
from sshjit_host.machine import files
from sshjit_host.openssh import pam_hook
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.refresh import Refresher
from sshjit_host.sessions import hook, session_processes, session_status
from sshjit_host.sessions.registry import Registry, Session, this_boot

Say = Callable[[str], None]
PATIENCE = 15.0
"""Seconds that a daemon that was just started has to answer."""
LATER = "ssh-jit-host sessions --install"


def plan(config: Config) -> Iterator[Entry]:
    """The entry of the journal for the file of PAM that is ours. Raises ``HostError``.

    One line in a file of others is no entry: that file may change meanwhile, so exactly the line is taken out again.
    """
    if pam_hook.way(config) != "none":
        yield journal.file(config.pam / pam_hook.SERVICE)


def install(config: Config, say: Say) -> None:
    """Start the daemon and put its hook into PAM, or say why not and what to do. Raises ``HostError``."""
    if pam_hook.way(config) == "none":
        say("warning: sshd does not use PAM (UsePAM no), so that sessions do not end with their grants")
        say(f"hint: set `UsePAM yes` in sshd_config, reload sshd, then {LATER}")
        return
    if not units.has_systemd() and session_status.daemon(config) is None:
        say(units.by_hand(units.SESSIONS, config))
        say("warning: sessions do not end with their grants until that runs")
        say(f"hint: start it, then {LATER}")
        return
    if units.has_systemd():
        if units.SESSIONS not in units.enabled() or not units.is_active(units.SESSIONS):
            units.install(config, say, (units.SESSIONS,))
        _wait(config)
    install_hook(config, say)


def _wait(config: Config) -> None:
    until = time.monotonic() + PATIENCE
    while session_status.daemon(config) is None:
        if time.monotonic() >= until:
            raise HostError(
                f"{units.SESSIONS} was started, and does not answer, so PAM was not changed",
                hint=f"journalctl -u {units.SESSIONS}",
            )
        time.sleep(0.1)


def install_hook(config: Config, say: Say) -> None:
    """Put the hook into PAM, and have sshd go by it. Raises ``HostError``."""
    bundle = Refresher(config, say).held()
    if bundle is None:
        raise HostError("this host holds no bundle", hint="ssh-jit-host refresh")
    with files.locked(config.home / ".lock"):
        before = pam_hook.service_in_use(config)
        pam_hook.install(config, bundle, say)
        try:
            DropIn(config).apply(say)
        except HostError:
            if not before:
                pam_hook.remove(config, say)
            raise


def remove_hook(config: Config, say: Say) -> None:
    """Have sshd go without the hook, and take it out of PAM. Raises ``HostError``."""
    with files.locked(config.home / ".lock"):
        if pam_hook.forget_service(config):
            DropIn(config).apply(say)
        pam_hook.remove(config, say)


def remove(config: Config, say: Say) -> None:
    """Take the hook out of PAM, then stop the daemon and take its unit away. Raises ``HostError``."""
    remove_hook(config, say)
    stop(config, say)
    for place in (units.wants(units.SESSIONS), units.OWN / units.SESSIONS):
        if units.has_systemd() and files.remove(place):
            say(f"removed {place}")
    units.forget()


# ------------------------------------------------------------------------------------------------ the daemon's end


def stop(config: Config, say: Say) -> None:
    """Stop the daemon, which nobody asks any more, and say which sessions nobody ends from now on."""
    units.stop(units.SESSIONS, say)
    open_now = [session for session in _registered(config) if session_processes.alive(session)]
    if session_status.daemon(config) is not None:
        say("the session daemon still runs, since systemd did not start it: stop it where it was started")
        return
    for session in open_now:
        who = f"{session.user} from {session.source}"
        say(f"warning: the session of {who} goes on, and nothing ends it: `kill {session.pid}` does")
    _forget(config)


def _registered(config: Config) -> list[Session]:
    registry = Registry(config.run / "sessions")
    return [session for session in registry.sessions() if session.boot == this_boot()] if config.run.is_dir() else []


def _forget(config: Config) -> None:
    """Remove what the daemon kept in its folder of ``/run``."""
    folder = config.run / "sessions"
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
    for name in (hook.SOCKET, ".lock"):
        files.remove(config.run / name)
    for entry in journal.empty_folder(config.run) if config.run.is_dir() else ():
        entry.put_back()
