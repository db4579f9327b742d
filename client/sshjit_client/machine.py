"""The machine that the client runs on: its environment, folders and terminal, and what the client keeps there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sshjit.api.session import LoginView
from sshjit.errors import Failed, Invalid
from sshjit_client import files, paths
from sshjit_client.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Settings:
    """``config.json``: one installation. ``root`` is the pinned bundle key, ``SHA256:…``."""

    version: int
    url: str
    installation: str
    root: str
    provider: str | None
    """The provider to sign in at, where there are several."""


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """``bundle.json``: the newest bundle that was accepted, and the server's ETag for it."""

    sequence: int
    bundle: str
    signature: str
    etag: str


@dataclass(frozen=True, slots=True)
class Session:
    """``session.json``: the login as the CA knows it, the API's token, and the private key that it is bound to."""

    url: str
    token: str
    login: LoginView
    key: str
    """Path of the private key; its public half lies beside it as ``.pub``."""
    public: str
    """The public key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One run's surroundings. Made once, in ``run.py``."""

    environ: Mapping[str, str]
    config: Path
    state: Path
    terminal: Terminal

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Machine:
        """The machine as the environment describes it."""
        return cls(environ, Path(paths.config_folder(environ)), Path(paths.state_folder(environ)), Terminal())

    @property
    def may_sign_in(self) -> bool:
        """Whether a sign-in may be started unasked: somebody is there, or a browser is named."""
        return self.terminal.live or bool(self.environ.get("BROWSER"))

    def settings(self) -> Settings:
        """The installation that was set up.

        Raises:
            Invalid: ``not_set_up``.

        """
        found = files.load(self.config / "config.json", Settings)
        if found is None:
            raise Invalid("not_set_up", "this machine is not set up", hint="ssh-jit setup URL --root SHA256:…")
        return found

    def session(self, now: float) -> Session | None:
        """The login that is kept, unless it is over, or its key is gone."""
        if not paths.private(str(self.state)):
            return None
        try:
            found = files.load(self.state / "session.json", Session)
        except Failed:  # a damaged login is no login: signing in makes a new one
            return None
        if found is None or found.login.expires <= now or not Path(found.key).exists():
            return None
        return found

    def drop_certificates(self) -> None:
        """Forgets every certificate: they belong to a key that is going, or to a login that is over."""
        import shutil  # noqa: PLC0415  # a connection does without it

        shutil.rmtree(self.state / "open", ignore_errors=True)

    def forget(self) -> None:
        """Forgets the login: session, certificates, and the key if it is one that we made."""
        for name in ("session.json", "id_ed25519", "id_ed25519.pub", "own.conf"):
            (self.state / name).unlink(missing_ok=True)
        self.drop_certificates()
