"""The installations that this machine is set up for: one file each, written by ``ssh-jit setup``.

``installations/NAME.json`` is beside ``default``, the name of the one that commands without a host go to. Earlier
versions had one ``config.json``. It is taken over at the first run; where the folder cannot be written, it is read as
it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_client.storage import files, paths

IN_FILES, IN_AGENT = "files", "agent"
"""Where certificates are: read by ssh from files, or in the person's ssh-agent alone."""
REFUSED, PLAIN_SSH = "refuse", "ssh"
"""What becomes of a connection to a name that is no host of the installation."""
OLD = "config.json"
"""The settings of earlier versions."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation. ``root``: the fingerprint of the pinned bundle key, ``SHA256:…``."""

    version: int
    url: str
    installation: str
    root: str
    provider: str | None
    """The provider to sign in with, if there are several."""
    name: str = ""
    """What it is called on this machine: as it calls itself, unless another one is called so already."""

    certificates: str = IN_FILES
    """``IN_FILES`` or ``IN_AGENT``."""
    unknown_hosts: str = REFUSED
    """``REFUSED`` or ``PLAIN_SSH``."""

    def __post_init__(self) -> None:
        """Fills in the name that the settings of earlier versions do not have."""
        object.__setattr__(self, "name", self.name or self.installation)


def listed(environ: Mapping[str, str]) -> dict[str, Settings]:
    """The installations by name."""
    folder = _folder(environ)
    if folder is None:
        return {}
    _take_over(folder)
    kept = {name: _load(folder, name) for name in paths.installations(environ)}
    old = _old(folder)
    if old is not None:
        kept.setdefault(old.name, old)
    return {name: settings for name, settings in kept.items() if settings is not None}


def chosen(environ: Mapping[str, str], named: str) -> Settings:
    """The installation that was named, or the default one.

    Raises:
        Invalid: ``not_set_up``, ``unknown_installation``.

    """
    kept = listed(environ)
    wanted = named or environ.get(paths.INSTALLATION, "")
    if wanted in kept:
        return kept[wanted]
    if not kept:
        hint = "ssh-jit setup URL --root SHA256:…"
        hint = hint if paths.config_folder(environ) else f"set HOME or XDG_CONFIG_HOME; then {hint}"
        raise Invalid("not_set_up", "this machine is not set up", hint=hint)
    if wanted:
        hint = f"--installation {' | '.join(kept)}"
        raise Invalid("unknown_installation", f"this machine is not set up for {wanted!r}", hint=hint)
    return kept[default(environ, kept)]


def default(environ: Mapping[str, str], kept: Mapping[str, Settings]) -> str:
    """The name of the one that commands without a host go to. There must be one."""
    folder = _folder(environ)
    with suppress(OSError, UnicodeDecodeError):
        name = Path(folder or "", "default").read_text("utf-8").strip()
        if name in kept:
            return name
    return next(iter(kept))


def save(environ: Mapping[str, str], settings: Settings) -> None:
    """Writes one installation. The first one becomes the default.

    Raises:
        Failed: ``no_folder``, ``no_home``.

    """
    folder = _folder(environ)
    if folder is None:
        hint = "set HOME or XDG_CONFIG_HOME"
        raise Failed("no_home", "there is no home folder to keep the settings in", hint=hint)
    first = not listed(environ)
    files.private_folder(folder)
    files.save(files.private_folder(folder / "installations") / f"{settings.name}.json", settings)
    if first:
        choose_default(environ, settings.name)


def choose_default(environ: Mapping[str, str], name: str) -> None:
    """Makes one the default."""
    files.write(Path(paths.config_folder(environ), "default"), f"{name}\n")


def remove(environ: Mapping[str, str], name: str) -> None:
    """Removes the settings of one installation."""
    folder = Path(paths.config_folder(environ))
    (folder / "installations" / f"{name}.json").unlink(missing_ok=True)
    old = _old(folder)
    if old is not None and old.name == name:
        (folder / OLD).unlink()


def _folder(environ: Mapping[str, str]) -> Path | None:
    folder = paths.config_folder(environ)
    return Path(folder) if folder else None


def _load(folder: Path, name: str) -> Settings | None:
    """``None``: it was removed meanwhile."""
    settings = files.load(folder / "installations" / f"{name}.json", Settings)
    return replace(settings, name=name) if settings else None


def _old(folder: Path) -> Settings | None:
    return files.load(folder / OLD, Settings)


def _take_over(folder: Path) -> None:
    """Moves the file of earlier versions into its place. What cannot be written stays, and is read there."""
    old = _old(folder)
    if old is None:
        return
    with suppress(OSError, Failed):
        new = files.private_folder(folder / "installations") / f"{old.name}.json"
        if not new.exists():
            files.save(new, old)
        (folder / OLD).unlink(missing_ok=True)
