"""What on this server stands in the way of joining, found before anything is changed: each with what to do.

What our settings cannot displace, sshd tells in their trial (``openssh/dropin.py``). Here is what they would displace
quietly, what sshd would ignore without a word, and what only a reading of the configuration shows.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.findings import Finding
from sshjit_host.machine import files
from sshjit_host.machine.programs import run
from sshjit_host.openssh import beside, effective, sshdconf
from sshjit_host.openssh.dropin import DropIn

_OURS = ("TrustedUserCAKeys", "AuthorizedPrincipalsFile")
_PRINCIPALS = "AuthorizedPrincipalsCommand"
_KEYS = "AuthorizedKeysCommand"


def findings(config: Config) -> Iterator[Finding]:
    """Every conflict; those that are ``bad`` keep this host from joining."""
    layout = sshdconf.layout(config.sshd_config)
    checked = run(config.sshd, "-t", "-f", config.sshd_config)
    if checked.code != 0:
        hint = f"{config.sshd} -t -f {config.sshd_config}"
        yield Finding("bad", effective.complaint(checked, "its configuration already"), hint)
    yield from _other_ca(config, layout)
    if config.beside and checked.code == 0:
        yield from _places(config)
    yield from _folders(config)
    yield from _order_of_commands(config, layout)
    yield from _selinux()


def _other_ca(config: Config, layout: sshdconf.Layout) -> Iterator[Finding]:
    """The owner's own CA: ours would come first, and its certificates would open nothing from then on."""
    owners = [
        setting
        for keyword in _OURS
        for setting in layout.of(keyword)
        if setting.path != config.dropin and setting.values != ("none",)
    ]
    trusts = [setting for setting in owners if setting.keyword == "trustedusercakeys"]
    if config.beside and not trusts:
        yield Finding("bad", f"{config.sshd_config} trusts no other CA", "join without --beside")
    for setting in () if config.beside else owners:
        value = " ".join(setting.values)
        what = {"trustedusercakeys": "TrustedUserCAKeys", "authorizedprincipalsfile": "AuthorizedPrincipalsFile"}
        yield Finding(
            "bad",
            f"{setting.place} sets {what[setting.keyword]} {value}, which would not count any more",
            "join with --beside, which keeps it and puts our lines into its files; or remove that line",
        )


def _places(config: Config) -> Iterator[Finding]:
    """The files into which our lines go with ``--beside``."""
    try:
        beside.require_places(config, DropIn(config).counts)
    except HostError as error:
        yield Finding("bad", error.message, error.hint)


def _folders(config: Config) -> Iterator[Finding]:
    """With StrictModes sshd ignores, without a word, principals files below folders that others can write."""
    place = next(place for place in (config.home, *config.home.parents) if place.exists())
    for reason in files.untrusted_folders(place, others=config.opens_others):
        yield Finding("bad", reason, "chmod go-w, or chown root, that folder; or name another `home` in host.json")


def _order_of_commands(config: Config, layout: sshdconf.Layout) -> Iterator[Finding]:
    """Before 9.4, sshd does not run the command for principals if the one for keys is set above it."""
    keys, principals = (layout.of(name) for name in (_KEYS, _PRINCIPALS))
    version = _version(config)
    if keys and principals and version < (9, 4):
        order = [setting.keyword for setting in layout.settings]
        if order.index(_KEYS.lower()) < order.index(_PRINCIPALS.lower()):
            yield Finding(
                "warn",
                f"{keys[0].place} sets {_KEYS} above {_PRINCIPALS}, which this sshd "
                f"({version[0]}.{version[1]}) therefore does not run",
                f"move {_PRINCIPALS} above it; our own principals are in files, which count",
            )


def _version(config: Config) -> tuple[int, int]:
    """The version of sshd; it says it beside its complaint about an unknown option, and in newer ones with ``-V``."""
    said = re.search(r"OpenSSH_(\d+)\.(\d+)", run(config.sshd, "-V").output)
    return (int(said[1]), int(said[2])) if said else (99, 0)


def _selinux() -> Iterator[Finding]:
    if labels() and shutil.which("restorecon") is None:
        yield Finding(
            "warn",
            "SELinux is on and there is no restorecon, so that sshd may not be allowed to read our files",
            "install policycoreutils, and then: restorecon -R /etc/ssh /etc/ssh-jit",
        )


def labels() -> bool:
    """Whether files have to have SELinux's labels here."""
    return shutil.which("getenforce") is not None and run("getenforce").output.strip().lower() != "disabled"


def label(*paths: Path) -> None:
    """Give files the labels that the machine's policy says, so that sshd may read them."""
    if labels() and shutil.which("restorecon"):
        run("restorecon", "-R", *(path for path in paths if path.exists()))
