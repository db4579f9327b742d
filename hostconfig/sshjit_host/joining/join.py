"""``join``: this server trusts the CA from here on, or is exactly as it was before.

What can fail without the CA is done first, so that a token is not used up by it: conflicts, the bundle, the drop-in in
its trial, with an id that no certificate names. Then the host enrols, and id, principals and host certificates follow,
and sshd is reloaded. Then the units are started, and once the session daemon answers, its hook is put into PAM. A host
that has joined is changed in the same way, by the same command with other options.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit_host import config as settings_file
from sshjit_host import doctor
from sshjit_host.config import LATER, Config, parse
from sshjit_host.errors import BundleRefused, ConfigError, HostError, SshdError
from sshjit_host.formats import strictjson
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.front_end import enrolment, fetch, renewal
from sshjit_host.joining import bystanders, conflicts, journal, proof, session_setup, undo, units
from sshjit_host.joining.journal import Entry, Journal
from sshjit_host.machine import files
from sshjit_host.openssh import effective, host_keys, sshdconf
from sshjit_host.openssh.account_checks import Accounts
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.openssh.host_keys import HostKeys
from sshjit_host.refresh import Refresher

Say = Callable[[str], None]
AGAIN = 61
"""Seconds after which the CA hears again what it has just been told otherwise."""
NOBODY = "-"
"""The host id until the CA says which it is: no certificate names it."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for. ``settings`` are fields of ``host.json``; what it does not say is not there."""

    path: Path
    """Where ``host.json`` is, or will be."""
    settings: dict[str, Any]
    ask: enrolment.Ask | None
    some_keys: bool = False
    log: str = ""
    """Where sshd's log is, if it is in none of the usual places."""


def join(wish: Wish, say: Say, now: float) -> None:
    """Join, or change what was joined. Raises ``HostError``, and then nothing is changed."""
    made = journal.folder(wish.path.parent)
    with files.locked_folder(wish.path.parent):
        files.remove_leftovers(wish.path.parent)
        made = made or journal.empty_folder(wish.path.parent)  # a run that was cut off at once had made it
        record = journal.read(wish.path.parent / journal.NAME)
        made += recover(wish.path, record, say)
        try:
            if wish.path.exists():
                _change(wish, record, say, now)
            else:
                _first(wish, record, made, say, now)
        finally:
            if record.step == "":
                for entry in reversed(made):
                    entry.put_back()


def recover(path: Path, record: Journal, say: Say) -> tuple[Entry, ...]:
    """Undo, or complete, a run that was cut off; the folders that it had made, which may be needed again."""
    made = tuple(entry for entry in record.entries if entry.kind == "folder")
    if record.step in (journal.JOINING, journal.LEAVING):
        say(f"an earlier run was cut off while {record.step}: everything is put back as it was before ssh-jit")
        undo.all_of_it(record.config(path), record, say)
    elif record.step == journal.CHANGING:
        say("an earlier run was cut off while changing: put back what it had changed")
        _take_back(path, record, say)
        return ()
    return made if record.step == "" else ()


# ------------------------------------------------------------------------------------------------- the first time


def _first(wish: Wish, record: Journal, made: tuple[Entry, ...], say: Say, now: float) -> None:
    fields = {"reload": "auto", **wish.settings}
    fields.setdefault("name", socket.gethostname().partition(".")[0].lower())
    missing = [option for option in ("url", "root", "logins") if option not in fields]
    if missing or wish.ask is None:
        what = {"url": "--url", "root": "--root", "logins": "--login"}.get(
            missing[0] if missing else "", "--token-file"
        )
        raise ConfigError(f"this host has not joined yet, and {what} is missing", hint="paste the whole joining line")
    if fields.get("only_certificates"):
        raise ConfigError("--only-certificates comes after a certificate opened an account here", hint=proof.HINT)
    enrolment.token(wish.ask.token)
    config = dataclasses.replace(_config({**fields, "version": 1, "host_id": NOBODY}), path=wish.path)
    _require_free(config)
    _stop_at_conflicts(config, say)
    offer, bundle = _bundle(config)
    keys = host_keys.read(config)
    _require_all(config, keys, wish, say)
    text = _text(fields, NOBODY)
    record.begin((*made, *_plan(config, wish.path, keys)), text)
    with _undone(config, record, say):
        Refresher(dataclasses.replace(config, host_certificates=False, reload=LATER), say).take(offer, now)
        enrolled = enrolment.join(config, bundle, keys.offered, wish.ask, int(time.time()))
        config = dataclasses.replace(config, host_id=enrolled.host_id)
        if config.host_certificates:
            _certify(keys, enrolled, wish, say)
        files.write(wish.path, _text(fields, enrolled.host_id).encode("ascii"))
        conflicts.label(config.home, config.dropin, wish.path)
        Refresher(config, say).remake(bundle, now)
        units.install(config, say, (units.taker(config),))
        session_setup.install(config, say)
        record.end(_text(fields, enrolled.host_id))
    say(f"joined {bundle.installation} as {config.name} (host id {enrolled.host_id}), for {', '.join(config.logins)}")
    _tell(config, now, say)


def _config(fields: dict[str, Any]) -> Config:
    """The settings, checked like ``host.json``; the id that is nobody's passes here alone."""
    nobody = fields["host_id"] == NOBODY
    try:
        config = parse(json.dumps({**fields, "host_id": fields["name"]} if nobody else fields))
    except ValueError as error:
        raise ConfigError(f"this cannot be joined by: {error}") from None
    return dataclasses.replace(config, host_id=NOBODY) if nobody else config


def _text(fields: dict[str, Any], host_id: str) -> str:
    """``host.json``. An id that is nobody's is written as the name: the text has to be one that can be read."""
    shown = {"version": 1, **fields, "host_id": fields["name"] if host_id == NOBODY else host_id}
    return json.dumps(shown, indent=2) + "\n"


def _require_free(config: Config) -> None:
    undo.require_ours(config)
    if config.home.exists() and any(config.home.iterdir()):
        raise HostError(
            f"{config.home} is there already, and no host.json: it is of an earlier set-up",
            hint="ssh-jit-host leave takes it away",
        )


def _stop_at_conflicts(config: Config, say: Say) -> None:
    bad = []
    for finding in conflicts.findings(config):
        bad += [finding] if finding.level == "bad" else []
        say(f"{'conflict' if finding.level == 'bad' else 'warning'}: {finding.text}")
        if finding.hint:
            say(f"hint: {finding.hint}")
    if bad:
        raise SshdError(f"{len(bad)} thing{'s stand' if len(bad) > 1 else ' stands'} in the way; nothing was changed")


def _bundle(config: Config) -> tuple[fetch.Offer, Bundle]:
    """The bundle that the front end offers, if it follows from the root of the joining line."""
    offer = fetch.bundle(config.url, "").offer
    if offer is None:
        raise BundleRefused("the front end answers that its bundle is not new, to a host that has none")
    return offer, Refresher(config, lambda _: None).checked(offer)[0]


def _plan(config: Config, path: Path, keys: HostKeys) -> Iterator[Entry]:
    """Every place that joining writes to, as it is now."""
    yield Entry("tree", config.home)
    yield journal.file(config.dropin)
    yield journal.file(path)
    if config.host_certificates:
        yield from (journal.file(key.certificate) for key in keys.offered)
    yield from units.plan()
    yield from session_setup.plan(config)


@contextlib.contextmanager
def _undone(config: Config, record: Journal, say: Say) -> Iterator[None]:
    """Puts everything back if the block does not get to its end, whatever ends it."""
    try:
        yield
    except BaseException as error:
        say("joining failed; everything is put back as it was")
        try:
            undo.all_of_it(config, record, say)
        except HostError as second:
            say(f"not all could be put back: {second.message}")
            say(f"hint: {second.hint or 'mend that'}; then run ssh-jit-host leave")
        raise error from None


# --------------------------------------------------------------------------------------------- host certificates


def _require_all(config: Config, keys: HostKeys, wish: Wish, say: Say) -> None:
    """Before the token is used: whether the keys that can join are all that people may have pinned."""
    if not keys.offered:
        reasons = "; ".join(keys.unusable) or "sshd has none"
        raise HostError(f"there is no host key that could join: {reasons}", hint="ssh-keygen -A makes them")
    for key in keys.uncertified:
        later = "; a refresh gets it a certificate, if the CA has a key for that" if key.type == POST_QUANTUM else ""
        say(f"{key.path} is left out: {key.type} is a type that the CA does not certify{later}")
    for reason in keys.unusable:
        say(f"warning: a host key is left out: {reason}")
    if not config.host_certificates:
        return
    foreign = [key.certificate for key in keys.offered if key.certificate.exists()]
    if foreign:
        raise HostError(
            f"{foreign[0]} is there already, and is not ours",
            hint="move it away, or join with --no-host-certificates",
        )
    for line in bystanders.text(config, keys):
        say(line)
    if keys.unusable and not wish.some_keys:
        raise _too_few(keys.unusable)


def _too_few(which: tuple[str, ...]) -> HostError:
    return HostError(
        f"certificates for some of the host keys only would shut out people who pinned another: {'; '.join(which)}",
        hint="mend or remove that key; or --no-host-certificates; or, if nobody pinned it, --some-keys",
    )


def _certify(keys: HostKeys, enrolled: enrolment.Enrolled, wish: Wish, say: Say) -> None:
    """Write the host certificates, for all keys or for none."""
    places = enrolled.certificates
    without = tuple(f"the CA gave none for {key.path}" for key in keys.offered if key.certificate not in places)
    if without and not wish.some_keys:
        raise _too_few(without)
    for reason in without:
        say(f"warning: {reason}")
    for path, data in places.items():
        if files.write(path, data):
            say(f"wrote {path}")
    conflicts.label(*places)


# ------------------------------------------------------------------------------------------------ another time


@dataclass(frozen=True)
class _Change:
    """A change of a host that has joined: from ``fields`` (of ``host.json``), which mean ``old``, to ``new``."""

    wish: Wish
    fields: dict[str, Any]
    old: Config
    new: Config

    @property
    def names(self) -> list[str]:
        """The settings that are others than before."""
        return sorted(name for name in self.wish.settings if getattr(self.old, name) != getattr(self.new, name))


def _change(wish: Wish, record: Journal, say: Say, now: float) -> None:
    """This host has joined: change nothing, or what the command line asks to be otherwise."""
    text = settings_file.text(wish.path)
    old, fields = settings_file.of_text(text, wish.path), strictjson.loads(text)
    for name, option in (("url", "--url"), ("root", "--root"), ("name", "--name")):
        asked = wish.settings.get(name, fields[name])
        if (asked.rstrip("/") if name == "url" else asked) != getattr(old, name):
            raise ConfigError(
                f"this host has joined {old.url} as {old.name}, and {option} says {asked}",
                hint="ssh-jit-host leave, and then join again with a new joining line",
            )
    new = dataclasses.replace(_config({**fields, **wish.settings}), path=old.path, loaded=True)
    bundle = Refresher(old, lambda _: None).held()
    if bundle is None:
        raise HostError("this host has joined, and holds no bundle", hint="ssh-jit-host refresh")
    if new == old:
        _nothing_new(old, record, bundle, say, now)
        return
    if new.beside != old.beside:
        raise ConfigError("--beside is chosen when a host joins", hint="ssh-jit-host leave, and then join again")
    if new.only_certificates and not old.only_certificates:
        say(proof.require(new, bundle, wish.log))
    _apply(_Change(wish, fields, old, new), record, bundle, say, now)


def _nothing_new(config: Config, record: Journal, bundle: Bundle, say: Say, now: float) -> None:
    if record.step == "":  # set up by hand
        say(f"this host was set up by hand as {config.name} of {bundle.installation}; nothing was changed")
    else:
        say(f"this host has joined {bundle.installation} as {config.name} already; nothing was changed")
    _tell(config, now, say)


def _apply(change: _Change, record: Journal, bundle: Bundle, say: Say, now: float) -> None:
    wish, new = change.wish, change.new
    keys = host_keys.read(new)
    text = json.dumps({**change.fields, **wish.settings}, indent=2) + "\n"
    shows = any(key.certificate.exists() for key in keys.offered)
    enrolled = None
    if new.host_certificates and not shows:
        _require_all(new, keys, wish, say)
        enrolled = enrolment.renew(new, bundle, keys.offered, int(time.time()))
    elif shows and not new.host_certificates:  # before sshd shows none: clients that ask know the keys by then
        enrolment.renew(new, bundle, keys.offered, int(time.time()), shows=False)
        say("laptops learn the plain keys with their next certificate, and refuse to connect until then: some minutes")
    record.step = record.step or journal.JOINED  # set up by hand: what is written down is what this run changes
    certificates = tuple(journal.file(key.certificate) for key in keys.offered)
    record.begin((journal.file(new.dropin), journal.file(wish.path), *certificates, *units.plan()), text)
    try:
        files.write(wish.path, text.encode("ascii"))
        if enrolled is not None:
            _certify(keys, enrolled, wish, say)
        Refresher(new, say).remake(bundle, now)
        for due in [] if new.host_certificates else list(renewal.ours(DropIn(new), bundle)):
            files.remove(due.place)
            say(f"removed {due.place}")
        units.change(new, say)
    except BaseException as error:
        say("that failed; everything is put back as it was")
        _take_back(wish.path, record, say)
        raise error from None
    record.end(text)
    if enrolled is not None:
        _say_that_they_are_shown(new, bundle, keys, say)
    say(f"changed: {', '.join(change.names)}")
    if lost := [login for login in change.old.logins if login not in new.logins]:
        say(f"certificates open {', '.join(new.logins)} from now on, and no longer {', '.join(lost)}")
    if "jump_login" in change.names:
        option = f"--jump-login {new.jump_login}" if new.jump_login else "--no-jump-login"
        say(f"tell the CA, which does not hear of it: ssh-jit-ca host change {new.name} {option}")
    _tell_of_accounts(new, bundle, say)


def _say_that_they_are_shown(config: Config, bundle: Bundle, keys: HostKeys, say: Say) -> None:
    """Tell the CA that sshd shows host certificates now. Until it knows, clients know this host by its keys."""
    try:
        try:
            enrolment.renew(config, bundle, keys.offered, int(time.time()), shows=True)
        except fetch.Refusal as error:
            if error.code != "too_soon":
                raise
            say(f"the CA hears this once a minute: trying again in {AGAIN} s")
            time.sleep(AGAIN)
            enrolment.renew(config, bundle, keys.offered, int(time.time()), shows=True)
    except HostError as error:
        say(f"warning: the CA could not be told that this host shows its certificates: {error.message}")
        say("hint: clients trust its plain keys meanwhile; `ssh-jit-host join --no-host-certificates`, and then again")


def _take_back(path: Path, record: Journal, say: Say) -> None:
    """Undo a change over a host that had joined: its files come back, and what is made from them."""
    record.put_changes_back()
    with contextlib.suppress(HostError):  # `status` says which of them do not run
        units.restart(say)
    with contextlib.suppress(HostError):  # what is wrong then, the next refresh says too
        refresher = Refresher(settings_file.load(path), say)
        bundle = refresher.held()
        if bundle is not None:
            refresher.remake(bundle, time.time())


def _tell_of_accounts(config: Config, bundle: Bundle, say: Say) -> None:
    """Say what keeps certificates out of the accounts after a change. Units, which just start anew, are left out."""
    with contextlib.suppress(effective.Refused):
        for finding in Accounts(config, sshdconf.layout(config.sshd_config)).findings(bundle):
            if finding.level == "bad":
                say(f"BAD: {finding.text}")
                if finding.hint:
                    say(f"hint: {finding.hint}")


def _tell(config: Config, now: float, say: Say) -> None:
    """Say what keeps certificates out of the accounts, or lets others in, and what is to be done."""
    for finding in doctor.Examination(config, now).findings():
        if finding.level != "ok":
            say(f"{'warning' if finding.level == 'warn' else 'BAD'}: {finding.text}")
            if finding.hint:
                say(f"hint: {finding.hint}")
