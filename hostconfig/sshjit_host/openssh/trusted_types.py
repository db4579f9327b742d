"""Which types of CA keys beside the usual ones this machine's sshd is given, decided anew at every refresh.

An older sshd shuts people out by a post-quantum key or list, so sshd is asked (``openssh/abilities.py``), and its
packages may go up or down. It also has to take what such a CA signs: our drop-in adds that, unless the owner says
themselves which signatures of CAs are taken. And sessions by such certificates must end with their grants.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit_host.config import LATER, Config
from sshjit_host.findings import Finding
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.openssh import abilities, effective, pam_hook, sshdconf

KEYWORD = "CASignatureAlgorithms"
ADDED = "+ssh-*ed25519"
"""What our drop-in sets: a pattern, because an sshd that does not know the type refuses a configuration by its name. It
adds ``ssh-mldsa44-ed25519`` where sshd knows it, and nothing elsewhere, also after a downgrade."""
UNLOADED = "reload.pending"
"""The file that is there while sshd has not read a new drop-in yet."""


@dataclass(frozen=True)
class Types:
    """The types beside the usual ones. ``problem``: why the post-quantum one is not among them, and what to do."""

    kinds: frozenset[str]
    problem: str = ""
    hint: str = ""


def decide(config: Config, bundle: Bundle) -> Types:
    """The types that this sshd is given of a bundle."""
    later = abilities.later_types(config, bundle)
    if bundle.post_quantum is None:
        return Types(later)
    reads = abilities.reads_post_quantum(config, bundle)
    if reads is None:  # sshd's configuration is broken: nothing is changed by that
        return Types(later | ({POST_QUANTUM} if abilities.has_post_quantum(config) else set()))
    if not reads:
        return Types(later - {POST_QUANTUM})
    if not pam_hook.is_current(config):
        problem = "PAM runs the session hook of an older release, which does not know every post-quantum certificate"
        return Types(later - {POST_QUANTUM}, problem, "ssh-jit-host sessions --install")
    line = _refusing(config)
    if line is not None:
        problem = f"{line.place} sets {KEYWORD}, which refuses what a post-quantum CA signs"
        return Types(later - {POST_QUANTUM}, problem, f"remove that line, or add {POST_QUANTUM} to it")
    return Types(later | {POST_QUANTUM})


def owners_lines(config: Config, layout: sshdconf.Layout) -> tuple[sshdconf.Setting, ...]:
    """The lines of the owner that say which signatures of CAs are taken."""
    return tuple(setting for setting in layout.of(KEYWORD) if setting.path != config.dropin)


def _refusing(config: Config) -> sshdconf.Setting | None:
    """The owner's line by which one of our accounts refuses what a post-quantum CA signs."""
    layout = sshdconf.layout(config.sshd_config)
    owners = owners_lines(config, layout)
    if not owners:
        return None
    try:
        usual = effective.settings(config)
        for connection in effective.connections(usual, layout):
            for login in config.accounts:
                if not _takes(effective.settings(config, login, connection)):
                    return owners[0]
    except effective.Refused:
        return owners[0]
    return None


def _takes(counts: effective.Effective) -> bool:
    return any(fnmatch.fnmatchcase(POST_QUANTUM, pattern) for pattern in counts.value(KEYWORD).split(","))


def taken(config: Config) -> tuple[str, ...]:
    """The types by which people's certificates are taken now, beside the usual ones. Raises ``effective.Refused``."""
    loaded = config.reload == LATER or not (config.home / UNLOADED).exists()
    if not loaded or not abilities.has_post_quantum(config):
        return ()
    return (POST_QUANTUM,) if all(_takes(effective.settings(config, login)) for login in config.accounts) else ()


def findings(config: Config, bundle: Bundle | None) -> Iterator[Finding]:
    """What ``doctor`` says of post-quantum certificates, where the bundle has a CA for them."""
    if bundle is None or bundle.post_quantum is None or not bundle.post_quantum.user_ca:
        return
    types = decide(config, bundle)
    alone = config.host_id in bundle.post_quantum.only
    if POST_QUANTUM in types.kinds:
        yield Finding("ok", f"sshd takes post-quantum certificates{', and no others' if alone else ' too'}")
        return
    why = types.problem or "this sshd does not read them"
    if alone:
        text = f"this host is to take post-quantum certificates alone, and takes the others, since {why}"
        yield Finding("bad", text, types.hint or "OpenSSH 10.6 or newer; or have the operator take it back")
    elif types.problem:
        yield Finding("warn", f"sshd takes no post-quantum certificates: {why}", types.hint)
    else:
        yield Finding("ok", f"sshd takes no post-quantum certificates: {why} (OpenSSH 10.6 does)")
