"""``ssh-jit-ca doctor``: looks at everything that the CA depends on, whether it runs or not, and says what to do.

It changes nothing. Each check returns findings; what is well is said too, so that a silent check is not taken for a
good one. ``log verify`` is the thorough look at the log itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit import durations, policy, providers, workloads
from sshjit.errors import SshJitError
from sshjit_ca.config import Config, read_policy, read_trusted
from sshjit_ca.keys import PURPOSES, files, probe, references
from sshjit_ca.keys.active_keys import remembered_key
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import owner
from sshjit_ca.machine.clock import TOLERANCE, Clock
from sshjit_ca.machine.reserve import MIB
from sshjit_ca.machine.spool import Spool
from sshjit_ca.machine.system import disk_free
from sshjit_ca.operations import admin_client, alert_checks, provider_checks
from sshjit_ca.operations.finding import Finding
from sshjit_ca.service import standby
from sshjit_ca.storage.database import sqlite_file
from sshjit_ca.storage.limits import SERVING
from sshjit_ca.storage.store import Store

OLD_KEYS = 2 * 3600
"""Seconds after which a provider's keys should have been fetched again."""


def examine(
    config: Config, clock: Callable[[], Clock], places: KeyLocations, *, front_end: str | None = None
) -> list[Finding]:
    """Every check; one that breaks is a finding itself. ``places``: where this process finds keys and secrets.

    ``front_end``: the address of the pages, where providers send browsers back to.
    """
    daemon = _ask(config)
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("files", lambda: _files(config)),
        ("policy", lambda: _policy(config)),
        ("database", lambda: _database(config)),
        ("disk", lambda: _disk(config)),
        ("clock", lambda: _clock(clock())),
        ("emergency", lambda: _spool(config)),
        ("alarm", lambda: alert_checks.examine(config)),
        ("keys", lambda: _keys(config, places, daemon)),
        ("daemon", lambda: _daemon(config, daemon)),
        ("witness", lambda: _witnesses(daemon)),
        ("witness", lambda: _places(daemon)),
        ("provider", lambda: provider_checks.examine(config, front_end)),
    )
    findings: list[Finding] = []
    for area, check in checks:
        try:
            findings.extend(check())
        except SshJitError as error:
            findings.append(Finding(area, "bad", error.message, error.hint))
        except OSError as error:
            findings.append(Finding(area, "bad", str(error)))
    return findings


def _files(config: Config) -> Iterator[Finding]:
    """Home and keys belong to us alone. Who runs this is the owner of the home, or became it."""
    clean = True
    if paths := owner.foreign(config.home, sqlite_file(config.database)):
        clean = False
        name, names = owner.owner_of(config.home).name, " ".join(map(str, paths))
        yield Finding("files", "bad", f"{names} does not belong to {name}", f"as root: chown -h {name} {names}")
    for purpose in PURPOSES:
        if not files.has_public(config.key_file(purpose)):
            clean = False
            text = f"{files.public_file(config.key_file(purpose))} is missing or damaged"
            yield Finding("files", "warning", text, "the CA makes it anew from the key at its start")
    for folder in (config.home, config.home / "keys"):
        status = folder.stat()
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            clean = False
            yield Finding("files", "bad", f"{folder} is open to other users", f"chmod 700 {folder}")
    for path in _private(config):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            clean = False
            yield Finding("files", "bad", f"{path} is open to other users", f"chmod 600 {path}")
    if clean:
        yield Finding("files", "ok", f"{config.home} and its keys are private to this user")


def _private(config: Config) -> list[Path]:
    database = sqlite_file(config.database)
    public = (".pub",)
    keys = [path for path in sorted((config.home / "keys").iterdir()) if path.suffix not in public]
    return [*keys, *([database] if database else [])]


def _policy(config: Config) -> Iterator[Finding]:
    loaded = policy.load(read_policy(config), file=config.policy.name)
    yield Finding("policy", "ok", f"{config.policy} is valid ({loaded.digest[:16]})")
    trusted = providers.load(read_trusted(config.providers), file=config.providers.name)
    unsafe = [name for name, provider in trusted.items() if provider.unsafe_http]
    if unsafe:
        yield Finding("policy", "warning", f"over plain http: {', '.join(unsafe)}", "for development only")
    jobs = workloads.load(read_trusted(config.providers), file=config.providers.name)
    for name, issuer in jobs.items():
        if issuer.unbound:
            hint = "have the issuer make tokens for a key (docs/providers.md)"
            yield Finding("workloads", "warning", f"{name} is {workloads.UNBOUND}", hint)


def _database(config: Config) -> Iterator[Finding]:
    database = sqlite_file(config.database)
    if database is not None and not database.exists():
        yield Finding("database", "bad", f"there is no database at {database}", "ssh-jit-ca init, or restore a backup")
        return
    store = Store(config.database, read_only=True, bounds=SERVING)
    try:
        yield from _schema(store)
        head, pinned = store.head(), PinnedCheckpoint(config.home)
        if head is None:
            yield Finding("log", "warning", "the log is empty", "it begins when the CA first starts")
            return
        lineage = Succession.of(files.load_public(config.key_file("log")), store)
        if head.checkpoint:
            lineage.verified(head.checkpoint)
        note = pinned.checkpoint()
        newest = lineage.verified(note).size if note else 0
        if head.size and not note:
            text = f"{pinned.checkpoint_file} is not there: an older copy of the whole log would look just the same"
            yield Finding(
                "log", "warning", text, "ssh-jit-ca log verify --against FILE, with a checkpoint from elsewhere"
            )
        if head.size < newest or head.epoch < pinned.epoch():
            yield Finding(
                "log",
                "bad",
                f"the log has {head.size} entries in epoch {head.epoch}; "
                f"the newest known are {newest} in epoch {pinned.epoch()}",
                "put the newest database in place, or: ssh-jit-ca restore --accept-loss",
            )
        else:
            yield Finding("log", "ok", f"{head.size} entries under a signed checkpoint, epoch {head.epoch}")
        if not standby.gone(head.holder):
            yield Finding("log", "ok", "a CA is writing the log")
    finally:
        store.close()


def _schema(store: Store) -> Iterator[Finding]:
    if store.is_current():
        yield Finding("database", "ok", "the schema is up to date")
    else:
        yield Finding("database", "bad", "the schema is not up to date", "ssh-jit-ca migrate")
    for name, value in store.settings(("fsync", "full_page_writes")).items():
        if value != "on":
            text = f"the server has {name} = {value}: a crash can lose what was answered"
            yield Finding("database", "bad", text, f"{name} = on in postgresql.conf")


def _disk(config: Config) -> Iterator[Finding]:
    database = sqlite_file(config.database)
    for folder in dict.fromkeys((config.home, database.parent if database else config.home)):
        free, wanted = disk_free(folder), config.disk_reserve_mib * MIB
        if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
            yield Finding("disk", "bad", f"{folder} cannot be written", "mount it writable")
        elif free < wanted // 4:
            yield Finding(
                "disk", "bad", f"{folder}: the disk is full ({free / MIB:.1f} MiB left)", "free disk space there"
            )
        elif free < 4 * wanted:
            yield Finding(
                "disk", "warning", f"{folder}: {free / MIB:.0f} MiB left", "free disk space before it is full"
            )
        else:
            yield Finding("disk", "ok", f"{folder}: {free / MIB:.0f} MiB free")


def _clock(clock: Clock) -> Iterator[Finding]:
    drift = clock.drift
    if abs(drift) > TOLERANCE:
        text = f"the clock jumped by {drift:+.0f} s against the boot clock"
        yield Finding("clock", "bad", text, "correct it, then: ssh-jit-ca confirm-clock --reason TEXT")
    else:
        yield Finding("clock", "ok", f"{drift:+.3f} s against the boot clock")


def _spool(config: Config) -> Iterator[Finding]:
    waiting = Spool(config.home).waiting()
    if waiting:
        text = f"{len(waiting)} emergency certificates are not in the log yet"
        yield Finding("emergency", "warning", text, "the CA records them when it next starts")


def _ask(config: Config) -> m.StatusReply | SshJitError:
    """What the daemon says of itself, or why it says nothing."""
    try:
        return admin_client.call(config.admin_socket, m.Status(), m.StatusReply)
    except SshJitError as error:
        return error


def _keys(config: Config, places: KeyLocations, daemon: m.StatusReply | SshJitError) -> Iterator[Finding]:
    """Every key that signs or will, tried by the daemon; if there is none, those that signed last, tried here."""
    if isinstance(daemon, m.StatusReply):
        tried = [(each.purpose, each.device, each.problem, each.hint) for each in daemon.keys]
    else:
        turns = config.home / "keys" / "turns.json"
        if not turns.exists():
            yield Finding("keys", "warning", f"{turns} does not exist yet", "the CA writes it at its first start")
            return
        keys = {purpose: remembered_key(turns, purpose) for purpose in PURPOSES}
        told = places if config.agent_socket is None else replace(places, agent=config.agent_socket)
        trials = probe.probe_all(KeyStore(told), keys.values())
        tried = [
            (purpose, references.device(reference), trials[key].problem, trials[key].hint)
            for purpose, (key, reference) in keys.items()
        ]
    for purpose, device, problem, hint in tried:
        if problem:
            yield Finding("keys", "bad", f"{purpose} cannot sign: {problem}", hint)
        else:
            yield Finding("keys", "ok", f"{purpose} signs, by {device}")


def _witnesses(reply: m.StatusReply | SshJitError) -> Iterator[Finding]:
    """How far witnesses are; of a CA that does not answer, ``_daemon`` says so."""
    if isinstance(reply, SshJitError):
        return
    for witness in reply.witnesses:
        so_far = f"it has signed {witness.size} of {reply.size} entries"
        if witness.problem:
            yield Finding("witness", "warning", witness.problem, so_far)
        else:
            yield Finding("witness", "ok", f"{witness.name}: {so_far}")


def _places(reply: m.StatusReply | SshJitError) -> Iterator[Finding]:
    """Whether checkpoints reach the places outside."""
    if isinstance(reply, SshJitError):
        return
    for place in reply.places:
        if place.problem:
            yield Finding("witness", "warning", place.problem, "[[checkpoint]] in ca.toml says where it is")
        else:
            yield Finding("witness", "ok", f"{place.name}: it has the head of {place.size} of {reply.size} entries")


def _daemon(config: Config, reply: m.StatusReply | SshJitError) -> Iterator[Finding]:
    if isinstance(reply, SshJitError):
        raise reply
    for problem in reply.problems:
        yield Finding("daemon", "bad", problem, "ssh-jit-ca status")
    if reply.ready:
        yield Finding("daemon", "ok", f"it is running and signs, {reply.size} entries in the log")
    if not reply.disk_reserved:
        yield Finding("disk", "bad", "there is no disk reserve for revoking", "free disk space beside the log")
    yield from _not_read_again(config, reply)
    for name, end in reply.hosts_ending:
        until = datetime.fromtimestamp(end, UTC).strftime("end at %Y-%m-%d %H:%M:%S UTC") if end else "have ended"
        text = f"{name} does not renew its certificates, which {until}"
        yield Finding("hosts", "warning", text, f"on {name}: ssh-jit-host refresh; here: ssh-jit-ca host sign {name}")
    for provider in reply.providers:
        if provider.problem != "ok":
            yield Finding("provider", "bad", f"{provider.id}: {provider.problem}", "nobody can sign in with it")
        elif provider.age is not None and provider.age > OLD_KEYS:
            text = f"{provider.id}: its keys were fetched {durations.show(provider.age)} ago"
            yield Finding("provider", "warning", text, "is it reachable from here?")
        else:
            yield Finding("provider", "ok", f"{provider.id}: its keys are fresh")
    yield from provider_checks.missing_groups(config, reply)


def _not_read_again(config: Config, reply: m.StatusReply) -> Iterator[Finding]:
    """Files that say something else than the CA goes by."""
    for name in reply.changed_files:
        text = f"{name} has changed since the CA started, which has not read it again"
        yield Finding("daemon", "warning", text, "systemctl restart ssh-jit-ca")
    if policy.load(read_policy(config)).digest != reply.policy:
        text = f"{config.policy} is not the policy in force ({reply.policy[:16]})"
        yield Finding("policy", "warning", text, "systemctl reload ssh-jit-ca")
