"""What the Debian packages run when they are installed, upgraded and removed, and the programs that start ours."""

from __future__ import annotations

LAUNCHER = """#!/usr/bin/python3 -I
import sys

sys.path[:0] = {folders!r}

from {module}.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
"""
"""Isolated: nothing of the environment or the current folder gets into the program."""

_COMPILE = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    py3compile -p {package} {folder}
{more}fi
"""
_CLEAN = """#!/bin/sh
set -e
{more}py3clean -p {package}
"""
_RESTART = """    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        # The CA before its front end, and only what runs.
        if [ -n "$2" ]; then
            if systemctl is-active -q ssh-jit-ca.service; then
                deb-systemd-invoke stop ssh-jit-ca.service >/dev/null || true
                ssh-jit-ca migrate || true
                deb-systemd-invoke start ssh-jit-ca.service >/dev/null || true
            fi
            deb-systemd-invoke try-restart {units} >/dev/null || true
        fi
    fi
"""
_STOP = """if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {units} >/dev/null || true
fi
"""
_PURGE = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
    for unit in {units}; do
        rm -f "/etc/systemd/system/multi-user.target.wants/$unit" "/etc/systemd/system/timers.target.wants/$unit"
    done
    rm -rf /var/lib/ssh-jit-web
    # Keys, log and settings are whoever's installation this was: nobody could make them again.
    for folder in /var/lib/ssh-jit-ca /etc/ssh-jit; do
        if [ -d "$folder" ] && ! rmdir "$folder" 2>/dev/null; then
            echo "ssh-jit-server: $folder stays: remove it by hand if the installation is over" >&2
        fi
    done
fi
"""


def of_programs(package: str, folder: str) -> dict[str, str]:
    """The scripts of a package with Python files below a folder: compiled where they are installed."""
    return {
        "postinst": _COMPILE.format(package=package, folder=folder, more=""),
        "prerm": _CLEAN.format(package=package, more=""),
    }


def of_services(package: str, folder: str, units: tuple[str, ...]) -> dict[str, str]:
    """The same of one with units, the CA's first: those that run are restarted by an upgrade; none is enabled."""
    names = " ".join(units)
    return {
        "postinst": _COMPILE.format(package=package, folder=folder, more=_RESTART.format(units=" ".join(units[1:]))),
        "prerm": _CLEAN.format(package=package, more=_STOP.format(units=names)),
        "postrm": _PURGE.format(units=names),
    }


def of_reload() -> dict[str, str]:
    """The scripts of a package with units and nothing to compile."""
    text = "#!/bin/sh\nset -e\n[ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null || true\n"
    return {"postinst": text, "postrm": text}
