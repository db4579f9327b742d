"""What the views work with: one record for the whole application, found through Flask's current one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from sshjit_web.banner import BannerCache
from sshjit_web.ca_cache import CaCache
from sshjit_web.ca_client import Authority
from sshjit_web.config import WebConfig
from sshjit_web.drafts import Drafts
from sshjit_web.oidc import RelyingParty
from sshjit_web.security_txt import SecurityTxt
from sshjit_web.sessions import Sessions
from sshjit_web.store import Store

_NAME = "ssh-jit"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a view may use."""

    config: WebConfig
    ca: Authority
    store: Store
    sessions: Sessions
    drafts: Drafts
    ca_cache: CaCache
    banners: BannerCache
    parties: Mapping[str, RelyingParty]
    """The providers, by id."""
    clock: Callable[[], float]
    key: bytes
    """The session key."""
    security_txt: SecurityTxt | None = None
    """To whom weaknesses are reported."""

    def now(self) -> int:
        """Whole seconds since the epoch."""
        return int(self.clock())

    def form_token(self, cookie: str) -> str:
        """What a form must carry to be taken from the browser with this cookie."""
        return hmac.digest(self.key, f"form\n{cookie}".encode("utf-8", "replace"), hashlib.sha256).hex()

    def author(self, person_id: str) -> str:
        """This person, as forms and drafts name them: nobody can make up somebody else's name."""
        return hmac.digest(self.key, f"author\n{person_id}".encode("utf-8", "replace"), hashlib.sha256).hex()


def install(app: Flask, services: Services) -> None:
    """Gives ``app`` its services."""
    app.extensions[_NAME] = services


def services() -> Services:
    """The services of the application that answers the current request."""
    return of(current_app)


def of(app: Flask) -> Services:
    """The services of an application."""
    return cast("Services", app.extensions[_NAME])
