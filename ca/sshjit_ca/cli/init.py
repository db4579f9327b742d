"""``ssh-jit-ca init``: the keys, the database, and what to pin."""

from __future__ import annotations

import argparse
import sys
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sshjit.ca_protocol.keys import Purpose
from sshjit.errors import Failed, Invalid
from sshjit_ca import config
from sshjit_ca.cli import passphrases
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.maintenance import BY_ITSELF
from sshjit_ca.config import Config
from sshjit_ca.keys import PURPOSES, first_keys
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import durable, owner
from sshjit_ca.operations import examples
from sshjit_ca.storage.database import is_damaged, sqlite_file
from sshjit_ca.storage.store import Store

_ABOUT = """\
each key is a new Ed25519 file in the CA's home, unless a REFERENCE says where it is already:

  ssh-jit-ca init --user-ca agent:SHA256:…
  ssh-jit-ca init --user-ca 'pkcs11:token=…;object=…?module-path=/…&pin-source=/…'

`ssh-jit-ca keys --help` explains references. With --passphrase-file or --passphrase-credential the new files are
encrypted; the CA must find the same source when it starts.

An init that was cut off goes on where it was, with the same options.

With --example DIR it makes no keys: it writes commented settings into DIR, such as /etc/ssh-jit, and says what comes
next.
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
    parser.add_argument("--user", metavar="NAME", help="as root: create the home for this Unix user, who runs the CA")
    parser.add_argument("--example", type=Path, metavar="DIR", help="write commented settings into DIR, and no keys")
    parser.set_defaults(run=_init, works=BY_ITSELF)


_NEXT = """
Next, as root:
  useradd --system --home-dir /var/lib/ssh-jit-ca --shell /usr/sbin/nologin ssh-jit-ca
  useradd --system --home-dir /var/lib/ssh-jit-web --shell /usr/sbin/nologin ssh-jit-web
  # write your installation, providers and rules into these files; ssh-jit policy check {folder}/policy.toml
  ssh-jit-ca --config {folder}/ca.toml init --user ssh-jit-ca
  install -m 0644 {units}/ssh-jit-ca.service /etc/systemd/system/ && systemctl daemon-reload
  systemctl enable --now ssh-jit-ca
  ssh-jit-web init --example {folder}"""


def _write_examples(folder: Path) -> int:
    folder = folder.absolute()
    print("\n".join(map(str, examples.write(folder))))
    print(_NEXT.format(folder=folder, units=examples.shared() / "systemd"))
    return 0


def _refuse_begun(conf: Config) -> None:
    """Refuses where a CA has started: its keys are known, and what is missing of them is to be put back.

    Raises:
        Invalid: ``already_made``.

    """
    pinned = PinnedCheckpoint(conf.home)
    if pinned.checkpoint_file.exists() or _entries(conf):  # an epoch alone is of a start that broke off
        text = f"{conf.home} already contains keys of a CA that has started"
        raise Invalid("already_made", text, hint="nothing was changed; ssh-jit-ca doctor says what is missing")


def _entries(conf: Config) -> int:
    """Entries of the log; none in a database that is not there yet, or that an ``init`` did not finish."""
    database = sqlite_file(conf.database)
    if database is not None and not database.exists():
        return 0
    store = Store(conf.database, read_only=True)
    try:
        head = store.head()
    except Failed:
        return 0
    finally:
        store.close()
    return head.size if head else 0


def _has_database(conf: Config) -> bool:
    """Whether the database is there, whole and up to date."""
    store = Store(conf.database, read_only=True)
    try:
        return store.is_current()
    except Failed:
        return False
    finally:
        store.close()


def _make_database(conf: Config) -> None:
    """Makes the database; one without a log that was damaged on the way is moved aside."""
    database = sqlite_file(conf.database)
    try:
        _migrate(conf)
    except Failed as error:
        if database is None or not is_damaged(error.message):
            raise
        aside = database.with_name(f"{database.name}.damaged")
        for path in (database, *(database.with_name(f"{database.name}{suffix}") for suffix in ("-wal", "-shm"))):
            if path.exists():
                durable.rename(path, path.with_name(path.name.replace(database.name, aside.name)))
        print(f"{database} was cut off; it is now {aside}", file=sys.stderr)
        _migrate(conf)
    if database is not None:
        durable.sync(database)


def _migrate(conf: Config) -> None:
    store = Store(conf.database)
    try:
        store.migrate()
        store.head()
    finally:
        store.close()


def _init(conf: Config | None, options: argparse.Namespace) -> int:
    if conf is None:
        return _write_examples(options.example)
    owner.begin_home(conf.home, options.user)
    owner.require_reach(options.config)
    conf = config.load(options.config)
    _refuse_begun(conf)
    given = {purpose: getattr(options, purpose) for purpose in PURPOSES if getattr(options, purpose) is not None}
    places = options.places if conf.agent_socket is None else replace(options.places, agent=conf.agent_socket)
    source = passphrases.source(options)
    made = first_keys.begin(
        conf.home / "keys", places, typing.cast("dict[Purpose, str]", given), source, database=_has_database(conf)
    )
    _make_database(conf)
    rows = [(purpose, made[purpose].fingerprint) for purpose in PURPOSES]
    print(cli_show.fields([("installation", conf.installation), *rows]))
    print(f"\nLaptops and hosts pin the bundle key: {made['bundle'].fingerprint}")
    return 0
