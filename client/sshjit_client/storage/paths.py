"""Where the client keeps its files (``docs/design.md``, *What a laptop keeps*), and whether a folder is private.

What the person set is in ``$XDG_CONFIG_HOME/ssh-jit``: ``installations/NAME.json``. The newest bundle of each
installation outlives a restart: ``$XDG_STATE_HOME/ssh-jit/NAME``. Sign-ins and certificates are in
``$XDG_RUNTIME_DIR/ssh-jit/NAME``, which the system empties at shutdown. Where one of these places cannot be used, the
next one of ``places`` is. A place must be a real folder of ours that nobody else can enter.
Every connection loads this module: it imports only ``os``, which is loaded anyway.
"""

# ruff: noqa: PTH111, PTH115, PTH117, PTH118, PTH119, PTH123, PTH208  # pathlib costs more than everything here
from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing costs milliseconds on every connection
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = 0o040000
_KIND = 0o170000
_OTHERS = 0o077
_WINDOWS = os.name == "nt"
"""There the folders of a person's profile are private by their access lists, and modes say nothing."""
INSTALLATION = "SSH_JIT_INSTALLATION"
"""The environment's ``--installation``, for programs that start ``ssh-jit`` in place of ``ssh``."""

ALL_HOSTS = "# all"
"""The line in a list of hosts that says that it has all of them."""


def config_folder(environ: Mapping[str, str]) -> str:
    """The folder of what the person set; it may not exist yet. Empty: this person has no home."""
    return _base(environ, "XDG_CONFIG_HOME", ".config")


def places(environ: Mapping[str, str]) -> list[str]:
    """The folders that may hold sign-ins and certificates, the best one first. They may not exist yet."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    best = [os.path.join(runtime, "ssh-jit")] if os.path.isabs(runtime) and private(runtime) else []
    cache = _base(environ, "XDG_CACHE_HOME", ".cache")
    shared = environ.get("TMPDIR", "")
    temporary = os.path.join(shared if os.path.isabs(shared) else os.sep + "tmp", f"ssh-jit-{_uid()}")
    return [*best, *([cache] if cache else []), temporary]


def lasting_places(environ: Mapping[str, str]) -> list[str]:
    """The folders that may hold what outlives a restart, the best one first."""
    state = _base(environ, "XDG_STATE_HOME", os.path.join(".local", "state"))
    return [*([state] if state else []), *places(environ)]


def lost_runtime(environ: Mapping[str, str]) -> str:
    """The value of ``$XDG_RUNTIME_DIR`` if it cannot be used; empty if it can, or is not set."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return runtime if runtime and not (os.path.isabs(runtime) and private(runtime)) else ""


def installations(environ: Mapping[str, str]) -> list[str]:
    """The names of the installations that this machine is set up for."""
    try:
        listed = os.listdir(os.path.join(config_folder(environ), "installations"))
    except OSError:
        return []
    return sorted(name[: -len(".json")] for name in listed if name.endswith(".json") and not name.startswith("."))


def certain_installation(environ: Mapping[str, str], host: str, named: str = "") -> str:
    """``installation_for``, where the lists of all installations are whole; else an empty string."""
    names = installations(environ)
    whole = len(names) < 2 or all(is_whole(environ, name) for name in names)
    return installation_for(environ, host, named) if whole else ""


def installation_for(environ: Mapping[str, str], host: str, named: str = "") -> str:
    """The installation that a connection to ``host`` belongs to; empty if that is not plain from what is here.

    ``named``: the value of ``--installation``. With several, it is the one that has a host of this name, if only one
    has (``knows``).
    """
    names = installations(environ)
    wanted = named or environ.get(INSTALLATION, "")
    if wanted:
        return wanted if wanted in names else ""
    having = names if len(names) < 2 else [name for name in names if knows(environ, name, host)]
    return having[0] if len(having) == 1 else ""


def knows(environ: Mapping[str, str], installation: str, host: str) -> bool:
    """Whether the kept list of an installation's hosts has this name."""
    for place in lasting_places(environ):
        try:
            with open(os.path.join(place, installation, "hosts"), "rb") as file:
                listed = file.read()
        except OSError:
            continue
        return b"\n%s\n" % os.fsencode(host.lower()) in b"\n" + listed
    return False


def is_whole(environ: Mapping[str, str], installation: str) -> bool:
    """Whether the kept list of an installation's hosts has all of them: its server was asked for them once."""
    return knows(environ, installation, ALL_HOSTS)


def login_folders(environ: Mapping[str, str], installation: str) -> list[str]:
    """The folders of the current sign-in, none if there is none. The first has its key and token.

    Certificates are in ``open/`` of any of them: where the first could not be written, in another.
    """
    held = [place for place in places(environ) if private(place)]
    for place in held:
        if login := current_login(place, installation):
            first = [place, *(other for other in held if other != place)]
            return [os.path.join(one, installation, "logins", login) for one in first]
    return []


def all_login_folders(environ: Mapping[str, str]) -> list[str]:
    """The folders of the current sign-ins of all installations."""
    return [folder for name in installations(environ) for folder in login_folders(environ, name)]


def current_login(place: str, installation: str) -> str:
    """The name of the sign-in's folder that ``current`` leads to; empty if there is none."""
    link = os.path.join(place, installation, "current")
    try:
        target = os.readlink(link)
    except FileNotFoundError:
        return ""
    except OSError:
        target = _pointer(link)
    return os.path.basename(target)


def _pointer(path: str) -> str:
    """What stands in the file that is there in place of a link, where links cannot be made."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read(200).strip()
    except (OSError, ValueError):
        return ""


def private(path: str) -> bool:
    """Whether ``path`` is a real folder (no link) of ours that only we can enter."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if status.st_mode & _KIND != _FOLDER:
        return False
    return _WINDOWS or (status.st_uid == _uid() and not status.st_mode & _OTHERS)


def _uid() -> int:
    return 0 if _WINDOWS else os.getuid()


def _base(environ: Mapping[str, str], variable: str, default: str) -> str:
    """The folder ``ssh-jit`` in one of the person's own folders; empty without a home."""
    base = environ.get(variable, "")
    if not os.path.isabs(base):
        home = environ.get("HOME", "")
        home = home if os.path.isabs(home) else os.path.expanduser("~")
        if not os.path.isabs(home):
            return ""
        base = os.path.join(home, default)
    return os.path.join(base, "ssh-jit")
