"""The machine that the client runs on: its environment, folders and terminal, and what the client keeps there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sshjit import names
from sshjit.api.session import LoginView
from sshjit.errors import Failed, Invalid
from sshjit_client.console.terminal import Terminal
from sshjit_client.storage import files, paths


@dataclass(frozen=True, slots=True)
class Settings:
    """``config.json``: one installation. ``root``: the fingerprint of the pinned bundle key, ``SHA256:…``."""

    version: int
    url: str
    installation: str
    root: str
    provider: str | None
    """The provider to sign in with, if there are several."""


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """``bundle.json``: the newest accepted bundle, and the server's ETag for it."""

    sequence: int
    bundle: str
    signature: str
    etag: str


@dataclass(frozen=True, slots=True)
class Session:
    """``session.json``: the sign-in as the CA knows it, the token for the API, and the private key it is bound to."""

    url: str
    token: str
    login: LoginView
    key: str
    """Path of the private key; the public key is beside it as ``.pub``."""
    public: str
    """The public key as one OpenSSH line."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The surroundings of one run. ``run.py`` makes one."""

    environ: Mapping[str, str]
    config: Path
    state: Path
    terminal: Terminal

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Machine:
        """This machine, as the environment describes it."""
        return cls(environ, Path(paths.config_folder(environ)), Path(paths.state_folder(environ)), Terminal(environ))

    @property
    def may_sign_in(self) -> bool:
        """Whether we may start a sign-in: a person sees the terminal, or ``$BROWSER`` is set."""
        return self.terminal.live or bool(self.environ.get("BROWSER"))

    def settings(self) -> Settings:
        """The installation that this machine is set up for.

        Raises:
            Invalid: ``not_set_up``.

        """
        settings = files.load(self.config / "config.json", Settings)
        if settings is None:
            raise Invalid("not_set_up", "this machine is not set up", hint="ssh-jit setup URL --root SHA256:…")
        return settings

    def session(self, now: float) -> Session | None:
        """The kept sign-in; ``None`` if it has expired or its key is gone."""
        if not paths.private(str(self.state)):
            return None
        try:
            session = files.load(self.state / "session.json", Session)
        except Failed:  # signing in again replaces a damaged file
            return None
        if session is None or session.login.expires <= now or not Path(session.key).exists():
            return None
        if names.bearer(session.token) is None:  # it could not be sent, with every command anew
            return None
        return session

    def drop_certificates(self) -> None:
        """Removes every certificate: their key is about to go, or the sign-in has ended."""
        import shutil  # noqa: PLC0415  # a connection does not need it

        shutil.rmtree(self.state / "open", ignore_errors=True)

    def forget(self) -> None:
        """Removes the sign-in: session, certificates, and the key if ssh-jit made it."""
        for name in ("session.json", "id_ed25519", "id_ed25519.pub", "own.conf"):
            (self.state / name).unlink(missing_ok=True)
        self.drop_certificates()
