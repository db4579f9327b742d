"""``ssh-jit-ca init``: the keys, the database, and what to pin."""

from __future__ import annotations

import argparse
import os
import sys
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sshjit import machine_setup
from sshjit.ca_protocol.keys import Purpose
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit_ca import config
from sshjit_ca.cli import passphrases, recovery, settings
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.maintenance import BY_ITSELF
from sshjit_ca.config import DEFAULT_PATH, Config
from sshjit_ca.keys import PURPOSES, first_keys
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import durable, owner
from sshjit_ca.storage.database import is_damaged, sqlite_file
from sshjit_ca.storage.store import Store

_ABOUT = """\
each key is a new Ed25519 file in the CA's home, unless a REFERENCE says where it is already:

  ssh-jit-ca init --user-ca agent:SHA256:…
  ssh-jit-ca init --user-ca 'pkcs11:token=…;object=…?module-path=/…&pin-source=/…'

`ssh-jit-ca keys --help` explains references. With --passphrase-file or --passphrase-credential the new files are
encrypted; the CA must find the same source when it starts.

An init that was cut off goes on where it was, with the same options.

Where there are no settings it writes commented ones first. For those in /etc/ssh-jit it also makes, as root, what the
machine lacks: the Unix users ssh-jit-ca and ssh-jit-web, and the CA's units. It writes over nothing, so it can be
repeated. Other settings than those it only writes, since their `home` comes first; repeat it then. With --example DIR
it only writes settings into DIR.
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
    text = "make the recovery key, which hosts trust beside the CA's: its private half into this file, for a safe"
    parser.add_argument("--recovery-key", type=Path, metavar="FILE", help=text)
    user = f"as root: create the home for this Unix user, who runs the CA [{machine_setup.CA_USER} for /etc/ssh-jit]"
    parser.add_argument("--user", metavar="NAME", help=user)
    parser.add_argument("--example", type=Path, metavar="DIR", help="write commented settings into DIR, and no keys")
    settings.add_options(parser)
    parser.set_defaults(run=_init, works=BY_ITSELF, alone=True)


def _refuse_begun(conf: Config) -> None:
    """Refuses where a CA has started: its keys are known, and what is missing of them is to be put back.

    Raises:
        Invalid: ``already_made``; ``second_ca``, where this home has nothing of the CA in its database.

    """
    pinned = PinnedCheckpoint(conf.home)
    if _is_second(conf) and _entries(conf):
        text = f"this database has the log of a CA that has started, and {conf.home} has none of its keys"
        raise Invalid("second_ca", text, hint=_SECOND.format(home=conf.home))
    if pinned.checkpoint_file.exists() or _entries(conf):  # an epoch alone is of a start that broke off
        text = f"{conf.home} already contains keys of a CA that has started"
        raise Invalid("already_made", text, hint="nothing was changed; ssh-jit-ca doctor says what is missing")


def _is_second(conf: Config) -> bool:
    """Whether this may be another CA of a database that several use: nothing of a first one is here."""
    here = PinnedCheckpoint(conf.home).checkpoint_file.exists() or (conf.home / "keys").exists()
    return not here and sqlite_file(conf.database) is None


_SECOND = "for a CA that stands by, copy `keys` and `invitation-secret` of the first one's home into {home}"


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


def _init(_: Config | None, options: argparse.Namespace) -> int:
    if options.example is not None:
        settings.write(options.example.absolute() / DEFAULT_PATH.name, options)
        print(settings.next_steps(options.example.absolute()))
        return 0
    own = options.config == DEFAULT_PATH
    if own and not settings.prepare_machine(options):
        return 1
    if not own and not options.config.exists():
        settings.write(options.config.absolute(), options)
        print(settings.next_steps(options.config.absolute().parent))
        return 0
    user = options.user or (machine_setup.CA_USER if own and os.geteuid() == 0 else None)
    if own and options.with_web:
        settings.run_web_init(options)  # before the keys: this process then becomes the CA's user for good
    conf = config.load(options.config)
    in_safe = None if options.recovery_key is None else recovery.make(options.recovery_key)  # still as who typed this
    owner.begin_home(conf.home, user)
    owner.require_reach(options.config)
    conf = config.load(options.config)
    second = _say_keys(conf, options, in_safe, repeated=own)
    if own:
        after = _SECOND_STEPS.format(home=conf.home, user=conf.home.owner())
        print(after if second else settings.last_steps(conf.front_end, with_web=options.with_web))
    return 0


_SECOND_STEPS = """
Next, as root, for a CA that stands by (ca1: the machine of the first one):
  scp -rp ca1:{home}/keys ca1:{home}/invitation-secret {home}/
  chown -R {user}: {home}
  systemctl enable --now ssh-jit-ca"""


def _say_keys(conf: Config, options: argparse.Namespace, in_safe: PublicKey | None, *, repeated: bool) -> bool:
    """Makes the keys and prints them; where it may be repeated, those that are there are no error.

    Whether this is a second CA's home, which gets its keys from the first one's.
    """
    try:
        fingerprints = _make_keys(conf, options, in_safe)
    except Invalid as error:
        if not repeated or error.code not in {"already_made", "second_ca"}:
            raise
        if in_safe is not None:
            hint = f"ssh-jit-ca keys add user_ca --recovery-key {options.recovery_key}"
            raise Invalid("already_made", "the CA does not know this recovery key", hint=hint) from None
        print(f"\n{error.message}")
        return error.code == "second_ca"
    print(cli_show.fields([("installation", conf.installation), *fingerprints.items()]))
    if in_safe is not None:
        print(f"\nrecovery key: {in_safe.fingerprint}\n{recovery.IN_THE_SAFE}")
    print(f"\nLaptops and hosts pin the bundle key: {fingerprints['bundle']}")
    return False


def _make_keys(conf: Config, options: argparse.Namespace, in_safe: PublicKey | None) -> dict[str, str]:
    """Makes keys and database; the keys' fingerprints by purpose."""
    _refuse_begun(conf)
    given = {purpose: getattr(options, purpose) for purpose in PURPOSES if getattr(options, purpose) is not None}
    places = options.places if conf.agent_socket is None else replace(options.places, agent=conf.agent_socket)
    source = passphrases.source(options)
    made = first_keys.begin(
        conf.home / "keys",
        places,
        typing.cast("dict[Purpose, str]", given),
        source,
        database=_has_database(conf),
        recovery=in_safe,
    )
    _make_database(conf)
    return {purpose: made[purpose].fingerprint for purpose in PURPOSES}
