"""``ssh-jit-ca serve``: puts the parts together, and keeps them running until a signal.

SIGTERM and SIGINT end it; SIGHUP reads the policy again, and a bad one leaves the good one in force. A second one on
the same database stands by (``standby.py``). A writer that was replaced says so in its health for a moment and ends
with an error, so that whatever supervises it starts it again, to stand by.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import logging
import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from sshjit import ca_protocol as m
from sshjit import providers, workloads
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.policy import PolicyError
from sshjit.policy.schedule import show_time
from sshjit.providers import Provider
from sshjit.supervisor import Supervisor
from sshjit.workloads import WorkloadIssuer
from sshjit_ca.authority import Authority
from sshjit_ca.config import Config, changed_files, files_at_start, load_policy, read_policy, read_trusted
from sshjit_ca.context import Context
from sshjit_ca.keys import files, first_keys
from sshjit_ca.keys.active_keys import ActiveKeys
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.log import snapshotting
from sshjit_ca.log.history import History
from sshjit_ca.log.journal import Journal
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import owner, system
from sshjit_ca.machine.clock import Clock, Kept
from sshjit_ca.machine.randomness import Randomness
from sshjit_ca.machine.reserve import MIB, Reserve
from sshjit_ca.oidc.provider_keys import ProviderKeys
from sshjit_ca.routes import Route
from sshjit_ca.service import background, standby, structured_log
from sshjit_ca.service.alerts import Alarms
from sshjit_ca.service.server import Listening, Server
from sshjit_ca.sources.tickets import Tickets
from sshjit_ca.storage.database import sqlite_file
from sshjit_ca.storage.lease import Lease
from sshjit_ca.storage.limits import SERVING
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.witnesses import Witnesses

_log = logging.getLogger(__name__)
RESTART = "systemctl restart ssh-jit-ca"
"""What to do about a file that only a start reads."""
LOOK_AGAIN = 60
"""Seconds between two looks at the providers."""
FAREWELL = 1.0
"""Seconds for which a writer that was replaced still says so to whoever asks."""


def supervisor(address: str) -> Supervisor:
    """Whoever started this process, by ``NOTIFY_SOCKET``; empty: nobody wants to know how far it is."""
    return Supervisor(address, partial(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM))


def machine_clock(config: Config, *, keep: bool = True) -> Clock:
    """The machine's clocks, and what was kept of them since its start; ``keep``: also from now on.

    Raises:
        Failed: ``no_home``, when it is to be kept and there is no folder to keep it in; ``wrong_owner``, when a file of
            the CA, the clock's or another one, belongs to somebody else.

    """
    if keep and not config.home.is_dir():
        hint = "is its disk mounted? ssh-jit-ca init creates it with the first keys"
        raise Failed("no_home", f"the CA's home {config.home} does not exist", hint=hint)
    if keep:
        owner.require_ours(config.home, sqlite_file(config.database))
    kept = Kept(config.home / "clock", system.boot_id(), writes=keep)
    return Clock(time.time, lambda: time.clock_gettime(time.CLOCK_BOOTTIME), kept)


def open_context(
    config: Config, store: Store, places: KeyLocations, clock: Clock, *, pinned: PinnedCheckpoint | None = None
) -> Context:
    """The context over a configuration and an open database; nothing is read from the log yet.

    ``pinned`` is what the CA keeps outside the database, in its home unless it is named.

    Raises:
        SshJitError: whatever is wrong with the configuration, the policy, the providers or the keys.

    """
    listed = read_trusted(config.providers)
    trusted = providers.load(listed, file=config.providers.name)
    jobs = workloads.load(listed, file=config.providers.name)
    plain = [*(each.unsafe_http for each in trusted.values()), *(each.unsafe_http for each in jobs.values())]
    if not config.unsafe_development and any(plain):
        raise Invalid(
            "unsafe_http", "a provider over plain http is allowed in development only", hint="unsafe_development = true"
        )
    text = read_policy(config)
    key_store = KeyStore(places if config.agent_socket is None else replace(places, agent=config.agent_socket))
    first_keys.derive(config.home / "keys")
    first = files.load_public(config.key_file("log"))
    pinned = pinned or PinnedCheckpoint(config.home)
    random = Randomness(secrets.token_bytes)
    journal = Journal(store, key_store, first, config.origin, pinned=pinned, salt=random)
    database = sqlite_file(config.database)
    return Context(
        config=config,
        providers=trusted,
        workloads=jobs,
        published=_published(config, trusted, jobs),
        keys=ActiveKeys(key_store, lambda: journal.state, turns=config.home / "keys" / "turns.json"),
        journal=journal,
        store=store,
        history=History(store),
        policy=load_policy(config, text),
        policy_text=text,
        random=random,
        clock=clock,
        reserve=Reserve(database.parent if database else config.home, config.disk_reserve_mib * MIB),
        witnesses=Witnesses.of(config.home, config.witnesses, config.checkpoints),
        started=int(clock.wall()),
        release=importlib.metadata.version("ssh-jit"),
        at_start=files_at_start(config, listed),
        tickets=Tickets(config.tickets),
    )


def _published(
    config: Config, trusted: Mapping[str, Provider], jobs: Mapping[str, WorkloadIssuer]
) -> dict[str, ProviderKeys]:
    """What the issuers publish, fetched when it is needed; or read from a file beside ``providers.toml``."""
    most = config.sign_ins_per_minute
    published = {name: ProviderKeys(name, one, time.monotonic, most=most) for name, one in trusted.items()}
    for name, issuer in jobs.items():
        path = config.providers.parent / issuer.keys_file if issuer.keys_file else None
        read = None if path is None else partial(read_trusted, path)
        published[name] = ProviderKeys(name, issuer, time.monotonic, signs_in=False, read_keys=read, most=most)
    return published


def serve(config: Config, places: KeyLocations, supervised: Supervisor) -> None:
    """Serves until SIGTERM or SIGINT; ``supervised`` is told how far it is.

    Raises:
        SshJitError: when it cannot begin; ``fenced``, when another process took over.

    """
    store, lease = Store(config.database, bounds=SERVING), Lease.of(config.database)
    try:
        context = open_context(config, store, places, machine_clock(config))
        authority = Authority(context)
        if config.json_log:
            structured_log.begin()
            authority.tell = structured_log.written

        def stand_by(why: str) -> None:
            _log.info("%s", why)
            supervised.ready(why)

        context.reserve.look()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # while it stands by there is no policy to reload
        standby.wait(store, standby.Time(time.monotonic, time.sleep), stand_by, lease=lease)
        with _no_collecting():
            authority.begin(standby.me(lease))

        def prepare(route: Route, need: object) -> object:
            assert route.prepare is not None  # noqa: S101 - the server asks for these only
            return route.prepare(context, need, context.clock.now(context.state.time))

        def need(route: Route, message: m.Message) -> object | None:
            return message if route.need is None else route.need(context, message)

        server = Server(authority, prepare, context.socket_problems, need)
        asyncio.run(_run(config, store, context, authority, server, supervised, lease))
        if authority.fenced is None:
            snapshotting.keep_last(context.journal)
        authority.end()
        if authority.fenced is not None:
            raise authority.fenced
    finally:
        if lease is not None:
            lease.close()
        store.close()


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """While the log is read all that is made stays, so there is no garbage to look for; nor in it afterwards.

    What is known of a long log is millions of objects, and to walk them all costs a busy CA a good part of its time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*COLLECT)
        gc.enable()


COLLECT = (20_000, 20, 50)
"""Objects made before the youngest are walked, and how much more seldom the older ones are."""


async def _run(  # noqa: PLR0917 - the parts that ``serve`` puts together
    config: Config,
    store: Store,
    context: Context,
    authority: Authority,
    server: Server,
    supervised: Supervisor,
    lease: Lease | None,
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _STOP:
        loop.add_signal_handler(number, stop.set)

    turn, reloads = asyncio.Lock(), set[asyncio.Task[None]]()

    async def reload_in_turn() -> None:
        async with turn:
            supervised.reloading(time.monotonic_ns())
            await _reload(config, authority, context)
            supervised.ready("serving")

    def reload() -> None:
        task = asyncio.create_task(reload_in_turn())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)

    def ready() -> None:
        _log.info("serving %s: %d entries in the log", config.installation, context.state.size)
        supervised.ready("serving")

    alarms = Alarms(config.home, config.syslog, config.alert_command)
    beside = [
        asyncio.create_task(_look_at_providers(context)),
        asyncio.create_task(_beat(authority, stop, lease)),
        asyncio.create_task(snapshotting.keep_snapshots(context.journal)),
        asyncio.create_task(background.sweep(authority)),
        asyncio.create_task(background.fetch_rotas(authority, config)),
        asyncio.create_task(background.return_memory()),
        asyncio.create_task(background.ask_witnesses(context)),
        asyncio.create_task(background.send_checkpoints(context, alarms)),
        asyncio.create_task(background.tell_what_is_held(context, alarms)),
        asyncio.create_task(background.alert(context, store, alarms)),
    ]
    await server.run(
        [
            Listening("web", config.web_socket, config.web_users),
            Listening("admin", config.admin_socket, config.admin_users),
        ],
        stop,
        ready,
    )
    supervised.stopping()
    for number in _STOP:  # a second one does not keep the CA from its last snapshot, nor from saying that it stops
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    for task in beside:
        task.cancel()


_STOP = (signal.SIGTERM, signal.SIGINT)
"""What ends the CA."""


async def _reload(config: Config, authority: Authority, context: Context) -> None:
    """Reads the policy again. What its sentences prove is decided in a thread: meanwhile people are answered."""
    try:
        file = await asyncio.to_thread(lambda: authority.look_at_policy(read_policy(config)))
        reply = authority.change_policy(file)
    except SshJitError as error:
        context.policy_refused = True
        for problem in error.problems if isinstance(error, PolicyError) else (error.message,):
            _log.error("the policy file was not loaded: %s", problem)
    else:
        context.policy_refused = False
        _say_loaded(reply)
    for name in changed_files(context.at_start):
        _log.warning("%s has changed since the CA started, which has not read it again: %s", name, RESTART)


def _say_loaded(reply: m.PolicyLoadReply) -> None:
    """What ``ssh-jit-ca policy load`` prints, for the ordinary log: an entry for each grant or request."""
    _log.info("policy %s is in force%s", reply.digest[:16], "" if reply.changed else " already")
    for note in reply.notes:
        _log.info("%s", note)
    affected = (
        (reply.closes, "gives no further certificate"),
        (reply.sooner, "ends sooner"),
        (reply.ask_again, "has to be made again"),
    )
    for views, what in affected:
        for view in views:
            person = view.requester.email or view.requester.name
            access = f"{person}, {view.login}@{','.join(view.hosts)} by rule {view.rule} until {show_time(view.until)}"
            _log.info("%s of %s %s: %s", view.request, ascii(access)[1:-1], what, ascii(view.why)[1:-1])


async def _beat(authority: Authority, stop: asyncio.Event, lease: Lease | None) -> None:
    """Shows that this writer lives, until it learns that it is the writer no more. Without its lease it looks often."""
    last = time.monotonic()
    while authority.fenced is None:
        await asyncio.sleep(LOOK_FOR_FENCE)
        lost = lease is not None and lease.counts and not lease.held
        if authority.fenced is None and (lost or time.monotonic() - last >= standby.BEAT):
            last = time.monotonic()
            try:
                authority.beat()
            except Failed as error:
                _log.error("%s", error.message)
    await asyncio.sleep(FAREWELL)
    stop.set()


LOOK_FOR_FENCE = 0.2
"""Seconds until a batch that found another writer is noticed."""


async def _look_at_providers(context: Context) -> None:
    """Keeps what the bundle says of providers up to date, whether or not somebody signs in."""
    while True:
        await asyncio.gather(*(asyncio.to_thread(keys.refresh) for keys in context.published.values()))
        await asyncio.sleep(LOOK_AGAIN)
