"""What the CA fetches from providers itself: where they sign people in, and the keys they sign with.

Nothing that decides who somebody is comes from here: issuer, algorithms and clients are in ``providers.toml``. Keys are
believed for an hour; an unknown key id, or a signature that is not by the key of its id, makes the CA look again, but
at most once in half a minute, so that made-up tokens cannot be turned against the provider.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sshjit import wire
from sshjit.discovery import discovery_url, parse_discovery, parse_keys_uri
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.providers import Issuer
from sshjit.rates import MINUTE, Rates, network_of
from sshjit_ca.oidc import provider_http
from sshjit_ca.oidc.provider_http import MAX_DOCUMENT, Unanswered

LIFETIME = 3600
"""Seconds that fetched keys are believed."""
WAITING = 4
"""Threads that ask one provider for keys, or wait for who does; and as many that ask for userinfo."""
QUEUE = 0.5
"""Seconds for which a place among those is waited for."""
PATIENCE = 2.0
"""Seconds for which another thread's fetch is waited for."""
SHARE = 4
"""One network has a part of a provider's sign-ins: one in so many."""
OF_THE_REST = 3
"""And of those that are left one in so many, so that there are always some for a network that had none."""
PAUSE = 30
"""Seconds between two fetches that failed, or that tokens ask for."""
_LATER = "try again later"
_TOLD = "tell your administrator"
_ROOTS = "the administrator adds its certificate authority to the system's, or names it in SSL_CERT_FILE"


@dataclass(frozen=True, slots=True)
class Published:
    """What a provider published: the endpoints of its native flow, and its keys as JWK tables."""

    authorization_endpoint: str | None
    token_endpoint: str | None
    keys: tuple[dict[str, Any], ...]
    fetched: float
    userinfo_endpoint: str | None = None


class ProviderKeys:
    """One provider's keys, fetched when they are needed."""

    def __init__(
        self,
        name: str,
        provider: Issuer,
        monotonic: Callable[[], float],
        *,
        signs_in: bool = True,
        read_keys: Callable[[], str] | None = None,
        most: int = 0,
    ) -> None:
        """``signs_in``: people, for which endpoints are needed. ``read_keys``: the JWKS where none is fetched.

        ``most``: sign-ins in a minute; 0: as many as there are.
        """
        self._rates, self._networks, self._counting = Rates(most), Rates(-(-most // SHARE)), threading.Lock()
        self._name = name
        self._signs_in = signs_in
        self._read_keys = read_keys
        self._provider = provider
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._asking = threading.BoundedSemaphore(WAITING)
        self._failed: float | None = None
        """When the last fetch failed."""
        self._looked: float | None = None
        """When a token last made us look again."""
        self.published: Published | None = None
        self.problem = "not asked yet"
        self._last = Failed("provider_down", f"the provider {name} was not asked yet", hint=_LATER)
        """What the last fetch that failed ended in."""
        self.fault = ""
        """What an administrator must mend, as a clause, where waiting does not help; empty: nothing that is known."""

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """While a sign-in is verified: it counts for its network when it is tried, for the provider once it is real.

        Those of one provider, however many, keep nobody of another one waiting. A network has a quarter of its
        provider's, and no more than a third of what is left of them: so several networks together leave some too.

        Raises:
            Failed: ``busy``.

        """
        network = network_of(address)
        with self._counting:
            now = self._monotonic()
            seconds = self._wait(network, now) or self._networks.take(network, now)
        if seconds:
            error = Failed("busy", f"too many sign-ins by {self._name} at once", hint=f"try again in {seconds} s")
            raise error.again_after(seconds)
        yield
        with self._counting:
            self._rates.take("", self._monotonic())

    def _wait(self, network: str, now: float) -> int:
        """Seconds until there is room for one more by this network; 0: now."""
        if not self._rates.most:
            return 0
        left, each_second = self._rates.left("", now), self._rates.most / MINUTE
        if left < 1:
            return int((1 - left) / each_second) + 1
        mine = self._networks.most - self._networks.left(network, now)
        over = mine + 1 - max(1, left / OF_THE_REST)
        # Both move: what this network had is forgotten, and there is more left.
        return 0 if over <= 0 else int(over / (self._networks.most / MINUTE + each_second / OF_THE_REST)) + 1

    def find(self, kid: str | None) -> dict[str, Any]:
        """The key with this id; without an id, the only key there is.

        Raises:
            Failed: ``provider_down``.
            Invalid: ``unknown_key``.

        """
        published = self.published
        key = _choose(published.keys, kid) if published is not None and self._believed(published) else None
        if key is None:
            with self._turn():
                key = _choose(self._fresh().keys, kid)
                if key is None:
                    key = self._look_again(kid)
        if key is None:
            raise Invalid("unknown_key", f"{self._name} has not published the key that signed this token")
        return key

    def replacement(self, kid: str | None, used: dict[str, Any]) -> dict[str, Any] | None:
        """The key that has this id now, where ``used``, which had it, did not sign a token; ``None``: it still has it.

        A provider that writes no key ids, or keeps an id when it changes the key, would else be shut out for the hour.

        Raises:
            Failed: ``provider_down``.

        """
        with self._turn():
            key = _choose(self._fresh().keys, kid)
            if key == used:
                key = self._look_again(kid)
        return None if key == used else key

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One asks the provider at a time. Few wait for it, and not for long: the threads are there for all providers.

        Raises:
            Failed: ``provider_down``.

        """
        asked = Failed("provider_down", f"the provider {self._name} is slow to answer", hint="try again in a moment")
        if not self._waiting.acquire(timeout=QUEUE):
            raise asked
        try:
            if not self._lock.acquire(timeout=PATIENCE):
                raise asked
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._waiting.release()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While something else is asked of the provider (userinfo): by few threads at a time.

        Raises:
            Failed: ``provider_down``.

        """
        if not self._asking.acquire(timeout=PATIENCE):
            problem = f"the provider {self._name} is slow to answer"
            raise Failed("provider_down", problem, hint="try again in a moment")
        try:
            yield
        finally:
            self._asking.release()

    def _look_again(self, kid: str | None) -> dict[str, Any] | None:
        if not self._passed(self._looked):
            return None
        self._looked = self._monotonic()
        try:
            return _choose(self._fetch().keys, kid)
        finally:
            self._looked = self._monotonic()

    def age(self) -> int | None:
        """Seconds since the keys were fetched; ``None`` if they never were."""
        published = self.published
        return None if published is None else int(self._monotonic() - published.fetched)

    def refresh(self) -> None:
        """Fetches if that was never done or is long ago; remembers what went wrong instead of raising."""
        with self._lock:
            try:
                self._fresh()
            except SshJitError as error:
                self.problem = error.message

    def _fresh(self) -> Published:
        if self.published is not None and self._believed(self.published):
            return self.published
        if not self._passed(self._failed):
            raise self._last
        return self._fetch()

    def _believed(self, published: Published) -> bool:
        return self._monotonic() - published.fetched < LIFETIME

    def _passed(self, since: float | None) -> bool:
        return since is None or self._monotonic() - since >= PAUSE

    def _fetch(self) -> Published:
        try:
            self.published = self._published()
        except BaseException:
            self._failed = self._monotonic()  # from the end on: who is slow is not asked all the time
            raise
        self._failed, self.problem, self.fault = None, "ok", ""
        return self.published

    def _published(self) -> Published:
        issuer, plain_http = self._provider.issuer, self._provider.unsafe_http
        if self._read_keys is not None:
            return Published(None, None, self._kept(self._read_keys), self._monotonic())
        document = self._get(discovery_url(issuer))
        try:
            if not self._signs_in:
                uri = parse_keys_uri(document, issuer, plain_http=plain_http)
                return Published(None, None, self._keys(self._get(uri)), self._monotonic())
            discovery = parse_discovery(document, issuer, plain_http=plain_http)
        except Invalid as error:
            raise self._unusable(error) from None
        if discovery.jwks_uri is None:
            raise self._unusable(Invalid("bad_discovery", "its metadata has no jwks_uri", hint=_TOLD))
        return Published(
            discovery.authorization_endpoint,
            discovery.token_endpoint,
            self._keys(self._get(discovery.jwks_uri)),
            self._monotonic(),
            discovery.userinfo_endpoint,
        )

    def _kept(self, read_keys: Callable[[], str]) -> tuple[dict[str, Any], ...]:
        """The keys of a file."""
        try:
            document = wire.loads(read_keys().encode(), limit=MAX_DOCUMENT)
        except SshJitError as error:
            raise self._unusable(Invalid(error.code, error.message, hint=error.hint)) from None
        return self._keys(document if isinstance(document, dict) else {})

    def _keys(self, document: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        keys = document.get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise self._down("its keys cannot be read")
        return tuple(keys)

    def _get(self, url: str) -> dict[str, Any]:
        try:
            value = wire.loads(provider_http.fetch(url, self._monotonic).body, limit=MAX_DOCUMENT)
        except Unanswered as error:
            raise self._down(str(error), trusted=error.trusted) from None
        except Invalid as error:
            raise self._down(error.message) from None
        if not isinstance(value, dict):
            raise self._down("it answered with something else than an object")
        return value

    def _down(self, why: str, *, trusted: bool = True) -> Failed:
        self.problem, self.fault = why, "" if trusted else why
        self._last = Failed("provider_down", f"the provider {self._name} cannot be reached: {why}", hint=_LATER)
        if not trusted:
            problem = f"the provider {self._name} cannot be trusted: {why}"
            self._last = Failed("provider_untrusted", problem, hint=_ROOTS)
        return self._last

    def _unusable(self, error: Invalid) -> Failed:
        self.problem = self.fault = error.message
        problem = f"the provider {self._name} cannot be used: {error.message}"
        self._last = Failed("provider_settings", problem, hint=error.hint or _TOLD)
        return self._last


def _choose(keys: tuple[dict[str, Any], ...], kid: str | None) -> dict[str, Any] | None:
    signing = [key for key in keys if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]
    matching = signing if kid is None else [key for key in signing if key.get("kid") == kid]
    return matching[0] if len(matching) == 1 else None
