"""Puts the front end together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, g

from sshjit import durations
from sshjit.errors import Failed, Invalid
from sshjit_web import api, auth, errors, pages, public, security, security_txt, services, template_filters
from sshjit_web import config as configuration
from sshjit_web.banner import BannerCache
from sshjit_web.ca_cache import CaCache
from sshjit_web.ca_client import Authority, CaClient
from sshjit_web.config import WebConfig
from sshjit_web.drafts import Drafts
from sshjit_web.gateway import Gateway
from sshjit_web.oidc import RelyingParty
from sshjit_web.security_txt import SecurityTxt
from sshjit_web.sessions import Limits, Sessions
from sshjit_web.shared_memory import SharedMemory, follow_checkpoints
from sshjit_web.store import Store, open_engine
from sshjit_web.wsgi_middleware import Middleware

LOG = logging.getLogger(__name__)


def create_app(
    config: WebConfig,
    ca: Authority,
    store: Store,
    parties: Mapping[str, RelyingParty],
    *,
    key: bytes,
    clock: Callable[[], float],
    reports: SecurityTxt | None = None,
) -> Flask:
    """The front end as a WSGI application. ``key`` is the session key, ``clock`` gives seconds since the epoch."""
    app = Flask(__name__)
    limits = Limits(durations.parse(config.session_idle), durations.parse(config.session_max_age))
    have = services.Services(
        config=config,
        ca=ca,
        store=store,
        sessions=Sessions(ca, store, clock, key, limits),
        drafts=Drafts(store),
        ca_cache=CaCache(ca, clock),
        banners=BannerCache(ca, clock),
        parties=parties,
        clock=clock,
        key=key,
        security_txt=reports,
    )
    services.install(app, have)
    template_filters.install(app)
    security.install(app)
    errors.install(app)
    app.context_processor(_for_every_page)
    ours = (public.blueprint, api.blueprint, api.host_blueprint, auth.blueprint, auth.provider_blueprint)
    for blueprint in (*ours, pages.blueprint):
        app.register_blueprint(blueprint)
    gateway = Gateway(have.ca_cache, https=config.https)
    app.wsgi_app = Middleware(app.wsgi_app, gateway, proxies=config.proxies)  # type: ignore[method-assign]
    return app


def _for_every_page() -> dict[str, Any]:
    have, login = services.services(), g.get("login")
    token = have.form_token(security.form_cookie())
    token = token if login is None else f"{token}.{have.author(login.person.id)}"
    return {"form_token": token, "login": login, "banner": have.banners.known(login), "now": have.now()}


def from_config(config: WebConfig, *, serving: bool = False) -> Flask:
    """The front end that a configuration describes, on the real clock; ``serving``: from now on.

    Raises:
        SshJitError: when a file is missing, wrong or not safe.

    """
    path = Path(config.providers)
    known = configuration.load_providers(path)
    hidden = configuration.client_secrets(known, path.parent)
    icons = configuration.icons(known, path.parent)
    key = configuration.session_key(Path(config.session_key_file))
    parties = {
        name: RelyingParty(
            name,
            provider,
            client_secret=hidden[name],
            origin=config.origin,
            key=key,
            clock=time.time,
            tls_roots=config.tls_roots,
            icon=icons.get(name),
        )
        for name, provider in known.items()
    }
    reports = None
    if config.security_txt is not None:
        told = Path(config.security_txt)
        reports = security_txt.parse(configuration.read_trusted(told), told.name)
    ca = CaClient(*map(Path, config.ca_socket), keep=config.threads)
    asked: Authority = ca
    if config.traces is not None:
        asked = _traced(ca)
    store = Store(open_engine(config.database))
    if serving:
        ca.follow()
        _remember(ca, SharedMemory(store), key)
    return create_app(config, asked, store, parties, key=key, clock=time.time, reports=reports)


def _traced(ca: CaClient) -> Authority:
    """The CA, whose answers are noted for spans.

    Raises:
        Invalid: ``no_traces``.

    """
    try:
        from sshjit_web.spans import TracedAuthority  # noqa: PLC0415 - whoever has no spans does without it
    except ImportError:
        text = "`traces` is set, and OpenTelemetry is not installed"
        raise Invalid("no_traces", text, hint="install ssh-jit[traces] of this release, or leave it out") from None
    return TracedAuthority(ca)


def _remember(ca: CaClient, memory: SharedMemory, key: bytes) -> None:
    """What the front ends of one database know together; where it is away, this one goes on by itself."""
    try:
        if not memory.note_session_key(key):
            LOG.warning("a front end with this database used another session key: all of them need the same file")
    except Failed as error:
        LOG.warning("whether all front ends have the same session key is not known: %s", error)
    follow_checkpoints(ca, memory)
