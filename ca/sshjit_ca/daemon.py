"""``ssh-jit-ca serve``: puts the parts together, and keeps them running until a signal.

SIGTERM and SIGINT end it; SIGHUP reads the policy again, and a bad one leaves the good one in force.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import Callable

from sshjit import messages as m
from sshjit import policy, providers
from sshjit.errors import Failed, SshJitError
from sshjit_ca import doors, keys
from sshjit_ca.authority import Authority
from sshjit_ca.bundling import Bundles
from sshjit_ca.clock import Clock
from sshjit_ca.config import Config, read_trusted
from sshjit_ca.desk import Desk
from sshjit_ca.doors import Route
from sshjit_ca.journal import Journal
from sshjit_ca.jwks import ProviderKeys
from sshjit_ca.server import Listening, Server
from sshjit_ca.store import Store

_log = logging.getLogger(__name__)
LOOK_AGAIN = 60
"""Seconds between two looks at the providers."""


def open_desk(config: Config, store: Store, clock: Callable[[], float]) -> Desk:
    """The desk over a configuration and an open database; nothing is read from the log yet.

    Raises:
        SshJitError: whatever is wrong with the configuration, the policy, the providers or the keys.

    """
    trusted = providers.load(read_trusted(config.providers), file=config.providers.name)
    if not config.unsafe_development and any(provider.unsafe_http for provider in trusted.values()):
        raise Failed("unsafe_http", "a provider over plain http is for development", hint="unsafe_development = true")
    text = read_trusted(config.policy)
    signers = keys.load(config.home / "keys")
    memory = config.home / "checkpoint"
    return Desk(
        config=config,
        providers=trusted,
        published={name: ProviderKeys(name, provider, time.monotonic) for name, provider in trusted.items()},
        keys=signers,
        journal=Journal(store, signers.log, config.origin, memory=memory, salt=secrets.token_bytes),
        policy=policy.load(text, file=config.policy.name),
        policy_text=text,
        random=secrets.token_bytes,
        started=int(clock()),
    )


def serve(config: Config) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        SshJitError: when it cannot begin.

    """
    store = Store(config.database)
    try:
        clock = Clock(time.time, lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        desk = open_desk(config, store, clock.wall)
        bundles = Bundles()
        routes = doors.table(store, bundles)
        authority = Authority(desk, clock, routes, bundles)
        authority.begin()

        def prepare(route: Route, message: m.Message) -> object:
            assert route.prepare is not None  # noqa: S101 - the server asks for these only
            return route.prepare(desk, message, clock.now(desk.state.time))

        server = Server(authority, routes, prepare)
        asyncio.run(_run(config, desk, authority, server))
    finally:
        store.close()


async def _run(config: Config, desk: Desk, authority: Authority, server: Server) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        reloads.add(asyncio.create_task(server.in_turn(lambda: _reload(config, authority))))

    loop.add_signal_handler(signal.SIGHUP, reload)
    looking = asyncio.create_task(_look_at_providers(desk))
    await server.run(
        [
            Listening("web", config.web_socket, config.web_users),
            Listening("admin", config.admin_socket, config.admin_users),
        ],
        stop,
        lambda: _log.info("serving %s: %d entries in the log", config.installation, desk.state.size),
    )
    looking.cancel()


def _reload(config: Config, authority: Authority) -> None:
    try:
        authority.change_policy(read_trusted(config.policy))
    except SshJitError as error:
        _log.error("the policy was not changed: %s", error.message)


async def _look_at_providers(desk: Desk) -> None:
    """Keeps what the bundle says of providers up to date, whether or not somebody signs in."""
    while True:
        await asyncio.gather(*(asyncio.to_thread(keys.refresh) for keys in desk.published.values()))
        await asyncio.sleep(LOOK_AGAIN)
