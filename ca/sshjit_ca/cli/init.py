"""``ssh-jit-ca init``: the keys, the database, and what to pin."""

from __future__ import annotations

import argparse
import os
import typing
from dataclasses import replace
from typing import Any

from sshjit.ca_protocol.keys import Purpose
from sshjit_ca.cli import maintenance as cli_care
from sshjit_ca.cli import passphrases
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.keys import PURPOSES, first_keys

_ABOUT = """\
each key is a new Ed25519 file in the CA's home, unless a REFERENCE says where it is already:

  ssh-jit-ca init --user-ca agent:SHA256:…
  ssh-jit-ca init --user-ca 'pkcs11:token=…;object=…?module-path=/…&pin-source=/…'

`ssh-jit-ca keys --help` explains references. With --passphrase-file or --passphrase-credential the new files are
encrypted; the CA must find the same source when it starts.
"""


def add_command(commands: Any) -> None:
    """Adds ``init``."""
    text = "create the keys and the database"
    parser = commands.add_parser(
        "init", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for purpose in PURPOSES:
        name = purpose.replace("_", "-")
        parser.add_argument(f"--{name}", dest=purpose, metavar="REFERENCE", help=f"use this key for {purpose}")
    passphrases.add_options(parser, "the new files")
    parser.set_defaults(run=_init)


def _init(conf: Config, options: argparse.Namespace) -> int:
    os.umask(0o077)
    given = {purpose: getattr(options, purpose) for purpose in PURPOSES if getattr(options, purpose) is not None}
    places = options.places if conf.agent_socket is None else replace(options.places, agent=conf.agent_socket)
    source = passphrases.source(options)
    made = first_keys.begin(conf.home / "keys", places, typing.cast("dict[Purpose, str]", given), source)
    cli_care.migrate(conf, options)
    rows = [(purpose, made[purpose].fingerprint) for purpose in PURPOSES]
    print(cli_show.fields([("installation", conf.installation), *rows]))
    print(f"\nLaptops and hosts pin the bundle key: {made['bundle'].fingerprint}")
    return 0
