"""The machine that the client runs on: its environment, folders and terminal, and what the client keeps there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sshjit_client.console.terminal import Terminal
from sshjit_client.storage import files, logins, paths, settings
from sshjit_client.storage.logins import Session
from sshjit_client.storage.settings import Settings

T = TypeVar("T")
__all__ = ["HeldBundle", "Machine", "Session", "Settings"]


@dataclass(frozen=True, slots=True)
class HeldBundle:
    """``bundle.json``: the newest accepted bundle, and the server's ETag for it."""

    sequence: int
    bundle: str
    signature: str
    etag: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The surroundings of one run. ``run.py`` makes one."""

    environ: Mapping[str, str]
    terminal: Terminal
    installation: str = ""
    """The installation that this run is about; empty: the default one."""

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Machine:
        """This machine, as the environment describes it."""
        return cls(environ, Terminal(environ))

    def silent(self) -> Machine:
        """This machine where nobody may be asked anything, and no browser be opened (``--non-interactive``)."""
        self.terminal.never_ask()
        return replace(self, environ={name: value for name, value in self.environ.items() if name != "BROWSER"})

    def at(self, installation: str) -> Machine:
        """This machine, for another installation."""
        return replace(self, installation=installation)

    @property
    def may_sign_in(self) -> bool:
        """Whether we may start a sign-in: a person sees the terminal, or ``$BROWSER`` is set."""
        return self.terminal.live or bool(self.environ.get("BROWSER"))

    def settings(self) -> Settings:
        """The installation that this run is about.

        Raises:
            Invalid: ``not_set_up``, ``unknown_installation``.

        """
        return settings.chosen(self.environ, self.installation)

    def session(self, now: float) -> Session | None:
        """The kept sign-in; ``None`` if it has expired or its key is gone."""
        about = self.settings()
        logins.take_over(self.environ, about.name, about.url, self.terminal.say)
        return logins.current(self.environ, about.name, now)

    def login_folders(self) -> list[Path]:
        """The folders of the current sign-in (``paths.login_folders``)."""
        return [Path(folder) for folder in paths.login_folders(self.environ, self.settings().name)]

    def in_login(self, session: Session, act: Callable[[Path], T]) -> T:
        """What ``act`` returns in the first folder of a sign-in where it can write.

        Raises:
            Failed: ``no_folder``.

        """
        first = Path(session.folder)
        inner = Path(self.settings().name, "logins", first.name)
        others = [place / inner for place in logins.places(self.environ) if place / inner != first]

        def within(folder: Path) -> T:
            for parent in (*reversed(folder.parents[:3]), folder):
                files.private_folder(parent)
            return act(folder)

        return files.in_first([first, *others], within, self.terminal.say)

    def scratch(self, act: Callable[[Path], T]) -> T:
        """What ``act`` returns in a folder of ours for files that concern no sign-in."""
        places = [place / ".scratch" for place in logins.places(self.environ)]

        def within(folder: Path) -> T:
            files.private_folder(folder.parent)
            return act(files.private_folder(folder))

        return files.in_first(places, within, self.terminal.say)

    def lasting_folders(self, about: Settings) -> list[Path]:
        """Where the newest bundle and the list of hosts of an installation may be, the best place first."""
        return [Path(place, about.name) for place in paths.lasting_places(self.environ)]
