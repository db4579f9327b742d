"""What ``ssh-jit-ca init`` does beside the keys: commented settings, what the machine lacks, and the next steps."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from sshjit import machine_setup, names
from sshjit.errors import Failed, Invalid
from sshjit_ca.config import INSTALLATION
from sshjit_ca.operations import examples
from sshjit_ca.operations import machine_setup as machine


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what new settings may say, and the front end on the same machine."""
    text = "its address, https://NAME: goes into new settings, and names the installation"
    parser.add_argument("--front-end", metavar="URL", help=text)
    parser.add_argument("--installation", metavar="NAME", help="the installation's name, for ever [the front end's]")
    text = "set up the front end on this machine too, by ssh-jit-web init"
    parser.add_argument("--with-web", action="store_true", help=text)
    text = "with --with-web: it ends TLS itself, by these two files (PEM)"
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERTIFICATE", "KEY"), help=text)


def write(path: Path, options: argparse.Namespace) -> None:
    """Writes ``ca.toml`` and the files beside it, where there are none, and prints which.

    Raises:
        Invalid: ``bad_url``, ``bad_name``, ``usage``.
        Failed: as ``examples.write``.

    """
    if path.name != "ca.toml":
        raise Invalid("usage", f"{path} does not exist", hint="new settings are named ca.toml")
    values = {}
    url = None if options.front_end is None else names.origin(options.front_end, plain_http=True)
    name = options.installation or (machine_setup.installation_name(url) if url else None)
    if name is not None:
        if not INSTALLATION.fullmatch(name):
            text = f"{names.show(name)} cannot name an installation: lower-case letters, digits, '-' and '.'"
            raise Invalid("bad_name", text, hint="--installation NAME")
        values["installation"] = json.dumps(name)
    if url is not None:
        values["front_end"] = json.dumps(url)
    written, kept = examples.write(path.parent, values)
    for file in written:
        print(f"written           {file}")
    for file in kept:
        print(f"there already     {file}")


def prepare_machine(options: argparse.Namespace) -> bool:
    """Writes the machine's own settings, and makes users and units, as root; whether the CA can go on to its keys.

    Raises:
        Invalid: as ``write``.
        Failed: what could not be made.

    """
    steps = machine.missing()
    if os.geteuid() != 0 and (steps or not options.config.exists()):
        print("This is not root: nothing was written, and no keys were made. Left, as root:")
        print("\n".join([*(f"  {step.line}" for step in steps), f"  {program('ssh-jit-ca')} init"]))
        return False
    write(options.config, options)
    machine.carry_out(steps)
    for step in steps:
        kind = "user" if isinstance(step, machine_setup.MakeUser) else "unit"
        print(f"{kind} made         {getattr(step, 'name', None) or getattr(step, 'path', '')}")
    for path, source in machine.different_units():
        print(f"kept              {path}, which differs from this release's {source}")
    return True


def run_web_init(options: argparse.Namespace) -> None:
    """Has ``ssh-jit-web`` set itself up, beside these settings.

    Raises:
        Failed: ``no_web``, when it is not installed, or what it said when it failed.

    """
    sys.stdout.flush()
    words = [str(machine.programs() / "ssh-jit-web"), "init", "--quiet"]
    words += ["--public-url", options.front_end] if options.front_end else []
    words += ["--tls", *map(str, options.tls)] if options.tls else []
    try:
        code = subprocess.run(words, check=False).returncode
    except OSError as error:
        hint = "pip install 'ssh-jit[server]' has both"
        raise Failed("no_web", f"{words[0]} cannot be run: {error.strerror}", hint=hint) from None
    if code != 0:
        text = "the front end was not set up, and the CA's keys were not made"
        raise Failed("no_web", text, hint="mend what is said above, and repeat this command")


def next_steps(folder: Path) -> str:
    """What comes after settings that are not the machine's own, or not yet."""
    return _NEXT.format(folder=shlex.quote(str(folder)), program=program("ssh-jit-ca"))


def last_steps(front_end: str | None, *, with_web: bool) -> str:
    """What comes after the keys."""
    web = "" if with_web else f"\n  {program('ssh-jit-web')} init   # the front end, on this machine or another"
    url = "" if front_end else " --url https://…"
    return _LAST.format(program=program("ssh-jit-ca"), web=web, units=" ssh-jit-web" if with_web else "", url=url)


_NEXT = """
Next:
  # your installation's name, addresses, providers and rules into {folder}/*.toml; ssh-jit policy check
  {program} --config {folder}/ca.toml init      # as root also --user NAME"""
_LAST = """
Next, as root:{web}
  editor /etc/ssh-jit/*.toml        # your installation's name, providers and rules; then their secrets
  systemctl enable --now ssh-jit-ca{units}
  {program} host add web1 --address 192.0.2.10 --label env=staging --login deploy{url}"""


def program(name: str) -> str:
    """How the operator names a program of this installation: by its path, where a shell would not find this one."""
    path = machine.programs() / name
    return name if shutil.which(name) == str(path) or not path.exists() else str(path)
