"""Reading the log by page: all of it for auditors and the operator, their own entries for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sshjit import events
from sshjit.api.log import LogReply
from sshjit.ca_protocol.log import ReadLog
from sshjit.errors import Invalid, SshJitError
from sshjit.events import Event
from sshjit_ca.context import Context
from sshjit_ca.log import fast_reader, pages
from sshjit_ca.log.history import History
from sshjit_ca.log.pages import Filter
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.sockets import Socket
from sshjit_ca.state import State
from sshjit_ca.storage.store import Row, Store

MAX_PAGE = 1000


def read_log(store: Store, history: History) -> Callable[[Context, ReadLog, Socket], LogReply]:
    """A reader of the log in ``store``.

    It raises ``Invalid``: ``bad_message``, ``bad_limit``, ``unknown_kind``.
    """

    def read(context: Context, message: ReadLog, door: Socket) -> LogReply:
        limit = limited(message.limit)
        if message.before is not None and message.after is not None:
            raise Invalid("bad_message", "a page lies before an entry or after one")
        own = _own(context, message, door)
        wanted = _filter(context, message, own, history)
        if message.after is None:
            page = pages.newest_first(store, wanted, message.before, limit)
        else:
            page = pages.oldest_first(store, wanted, message.after, limit)
        entries = tuple(entry_view(telling(context.state, history, row), row.entry) for row in page.rows)
        return LogReply(entries, context.journal.durable, context.journal.checkpoint, own is not None, page.next)

    return read


def limited(asked: int) -> int:
    """How many rows a page has.

    Raises:
        Invalid: ``bad_limit``.

    """
    if not 1 <= asked <= MAX_PAGE:
        raise Invalid("bad_limit", f"a page has 1 to {MAX_PAGE} rows")
    return asked


def _own(context: Context, message: ReadLog, door: Socket) -> str | None:
    """The subject who may read their own entries only; ``None`` for who may read all."""
    if message.login_id is not None:
        login = context.login(message.login_id)
        return None if context.permitted(login, "audit") else login.opened.subject
    if door != "admin":
        raise Invalid("bad_message", "say whose login this is")
    return None


def _filter(context: Context, message: ReadLog, own: str | None, history: History) -> Filter:
    if message.kind is not None and message.kind not in events.KINDS:
        raise Invalid("unknown_kind", "there are no such entries", hint=f"kinds: {', '.join(sorted(events.KINDS))}")
    subjects = None if message.person is None else _people(context.state, message.person)
    if own is not None:
        subjects = frozenset({own}) if subjects is None or own in subjects else frozenset()
    host, fits = message.host, None
    if host is not None:
        needle = f'"{host}"'.encode()

        def fits(row: Row) -> bool:
            return _about(context.state, history, row, host, needle)

    return Filter(subjects, message.kind, message.since, message.until, fits)


def _people(state: State, person: str) -> frozenset[str]:
    """The subjects whom a name, an address (of any provider or of one), ``provider/subject`` or an id means."""
    said = person.casefold()
    found = {subject for subject, addresses in state.emails.items() if said in addresses}
    found.update(
        subject for subject, login in state.newest_login.items() if state.logins[login].opened.name.casefold() == said
    )
    provider, slash, address = said.partition("/")
    found.update(
        subject
        for claim, subject in (state.subjects.items() if slash else ())
        if claim == person or (claim.startswith(f"{provider}/") and address in state.emails.get(subject, frozenset()))
    )
    return frozenset(found or {person})


def _about(state: State, history: History, row: Row, host: str, needle: bytes) -> bool:
    """Whether an entry names a host, or belongs to a request that does."""
    if row.entry.detail is not None and needle in row.entry.detail:
        try:
            event = fast_reader.read(row.entry)
        except SshJitError:
            return False
        if event is not None and _names(event, host):
            return True
    request = None if row.request is None else history.request(state, row.request)
    return request is not None and host in (*request.asked.hosts, *request.asked.host_ids)


def _names(event: Event, host: str) -> bool:
    named = [getattr(event, name, None) for name in ("name", "host", "host_id")]
    listed = [getattr(event, name, ()) for name in ("hosts", "host_ids", "aliases")]
    return host in named or any(host in names for names in listed)


def telling(state: State, history: History, row: Row) -> State:
    """The state as it would be if it still held the request that an entry is about."""
    if row.request is None or row.request in state.requests:
        return state
    request = history.request(state, row.request)
    return state if request is None else replace(state, requests={request.id: request})
