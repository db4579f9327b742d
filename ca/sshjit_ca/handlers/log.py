"""The log for those who may read it: by page, as tiles and as proofs; and forgetting its old details."""

from __future__ import annotations

import base64

from sshjit import checkpoint, entries, events, names, short_ids, tiles, tlogproof
from sshjit.api.log import LogReply
from sshjit.ca_protocol.log import (
    CosignedReply,
    Forget,
    ForgetReply,
    ProofReply,
    ReadCosigned,
    ReadLog,
    ReadProof,
    ReadTile,
    TileReply,
)
from sshjit.errors import Invalid, SshJitError
from sshjit.events import EmergencyIssued, Event
from sshjit.tlogproof import SERIALS_PER_EPOCH, Proof
from sshjit_ca.context import Context
from sshjit_ca.log import erasure, fast_reader, pages
from sshjit_ca.log.pages import Filter, page_limit
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.state import State
from sshjit_ca.state.pruning import REQUEST_KEPT
from sshjit_ca.storage.store import Row, Store

SHORTEST = REQUEST_KEPT + 24 * 3600
"""Seconds that every detail is kept at least."""


def read_log(context: Context, message: ReadLog) -> LogReply:
    """A page of the log: of all of it for auditors and the operator, of their own entries for others.

    Raises:
        Refused: ``login_over``.
        Invalid: ``bad_message``, ``bad_limit``, ``unknown_kind``.

    """
    limit = page_limit(message.limit)
    if message.before is not None and message.after is not None:
        raise Invalid("bad_message", "a page begins before an entry or after one, not both")
    own = _own(context, message)
    wanted = _filter(context, message, own)
    if message.after is None:
        page = pages.newest_first(context.store, wanted, message.before, limit)
    else:
        page = pages.oldest_first(context.store, wanted, message.after, limit)
    views = tuple(entry_view(context.history.with_request(context.state, row), row.entry) for row in page.rows)
    return LogReply(views, context.journal.durable, context.journal.checkpoint, own is not None, page.next)


def read_tile(context: Context, message: ReadTile) -> TileReply:
    """A tile of the log's tree, or a bundle of entries (C2SP tlog-tiles).

    Raises:
        Invalid: ``bad_tile`` for what is no tile's name, ``unknown_tile`` for one that is not there (yet).

    """
    tile = tiles.parse(message.name)
    if not tile.within(checkpoint.size_of(context.journal.checkpoint)):  # entries of this batch are not in it
        raise Invalid("unknown_tile", "the log has no such tile yet")
    end = tile.first + tile.width
    if tile.level is None:
        raw = tiles.bundle(pages.facts(context.store, tile.first, end))
    elif tile.level == 0:
        raw = b"".join(pages.leaves(context.store, tile.first, end))
    else:
        raw = b"".join(tiles.heads(bytes(context.journal.tree.tiles), tile.level)[tile.first : end])
    return TileReply(base64.b64encode(raw).decode("ascii"))


def read_cosigned(context: Context, _: ReadCosigned) -> CosignedReply:
    """The newest checkpoint that witnesses signed."""
    return CosignedReply(context.witnesses.newest)


def read_proof(context: Context, message: ReadProof) -> ProofReply:
    """A proof, under the newest checkpoint or the newest that witnesses signed, that a certificate is in the log.

    Raises:
        Invalid: ``unknown_certificate``, ``not_cosigned``.

    """
    store = context.store
    note = context.witnesses.newest if message.cosigned else context.journal.checkpoint
    if not note:
        raise Invalid("not_cosigned", "no witness has signed this log yet", hint="ssh-jit-ca status")
    index, size = _place(store, message.serial), checkpoint.size_of(note)
    if index is not None and size <= index < context.journal.durable:
        hint = "try again in some seconds; ssh-jit-ca status shows how far the witnesses are"
        raise Invalid("not_cosigned", "witnesses have not signed so far yet", hint=hint)
    if index is None or not 0 <= index < size:
        raise Invalid("unknown_certificate", f"no certificate has the serial {message.serial}")
    path = pages.inclusion(index, size, context.journal.tree, store)
    (fact,) = pages.facts(store, index, index + 1)
    return ProofReply(tlogproof.write(Proof(fact, index, path, note)))


def forget(context: Context, message: Forget) -> ForgetReply:
    """Erases old details, right after the commit that records it. ``log/erasure.py`` says what goes and what stays.

    Raises:
        Invalid: ``too_young``, for what is not old enough to be forgotten.

    """
    if message.before > context.now - SHORTEST:
        raise Invalid("too_young", f"details must be kept for at least {SHORTEST // 86400} days")
    after = erasure.forgotten(context.state, message.before, context.now)
    plan = erasure.plan_for(after, message.before)
    erased = erasure.count(context.store, plan.where())
    old = erasure.count(context.store, erasure.old(message.before))
    people = len(context.state.newest_login) - len(after.newest_login)
    if not message.dry_run and (erased or people):
        for event in erasure.events_for(context.store, plan, erased):
            context.record(event)
        context.journal.erase(plan, context.history.forget)
    return ForgetReply(erased, old - erased, people)


def _own(context: Context, message: ReadLog) -> str | None:
    """The subject who may read their own entries only; ``None`` for who may read all."""
    if message.login_id is not None:
        login = context.login(message.login_id)
        return None if context.permitted(login, "audit") else login.opened.subject
    if context.socket != "admin":
        raise Invalid("bad_message", "this message needs a sign-in on this socket")
    return None


def _filter(context: Context, message: ReadLog, own: str | None) -> Filter:
    if message.kind is not None and message.kind not in events.KINDS:
        raise Invalid(
            "unknown_kind", "there is no such kind of entry", hint=f"kinds: {', '.join(sorted(events.KINDS))}"
        )
    subjects = None if message.person is None else _people(context.state, message.person)
    if own is not None:
        subjects = frozenset({own}) if subjects is None or own in subjects else frozenset()
    host, fits = message.host, None
    if host is not None:
        needle = f'"{host}"'.encode()

        def fits(row: Row) -> bool:
            return _about(context, row, host, needle)

    return Filter(subjects, message.kind, message.since, message.until, fits)


def _people(state: State, person: str) -> frozenset[str]:
    """The subjects whom a name, an address (of any provider or of one), ``provider/subject`` or an id means."""
    wanted, name = names.lowered(person), person.casefold()
    subjects = {subject for subject, addresses in state.emails.items() if wanted in addresses}
    subjects.update(
        subject for subject, login in state.newest_login.items() if state.logins[login].opened.name.casefold() == name
    )
    provider, slash, address = wanted.partition("/")
    subjects.update(
        subject
        for claim, subject in (state.subjects.items() if slash else ())
        if claim == person or (claim.startswith(f"{provider}/") and address in state.emails.get(subject, frozenset()))
    )
    begun = short_ids.meant(person, state.newest_login, "sub-") if person.startswith("sub-") else []
    return frozenset(subjects or begun or {person})


def _about(context: Context, row: Row, host: str, needle: bytes) -> bool:
    """Whether an entry names a host, or belongs to a request that does."""
    if row.entry.detail is not None and needle in row.entry.detail:
        try:
            event = fast_reader.read(row.entry)
        except SshJitError:
            return False
        if event is not None and _names(event, host):
            return True
    request = None if row.request is None else context.history.request(context.state, row.request)
    return request is not None and host in (*request.asked.hosts, *request.asked.host_ids)


def _names(event: Event, host: str) -> bool:
    named = [getattr(event, name, None) for name in ("name", "host", "host_id", "bastion", "via")]
    listed = [getattr(event, name, ()) for name in ("hosts", "host_ids", "aliases")]
    return host in named or any(host in names for names in listed)


def _place(store: Store, serial: int) -> int | None:
    """Where a certificate's entry is: its serial says so, unless there was no log when it was signed."""
    if not tlogproof.without_log(serial):
        return serial % SERIALS_PER_EPOCH
    few = ((entry.index, entries.read(entry)) for entry in store.of_kinds(("emergency",)))
    return next((at for at, event in few if isinstance(event, EmergencyIssued) and event.serial == serial), None)
