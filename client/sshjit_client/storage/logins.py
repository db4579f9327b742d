"""The sign-ins of one installation on this machine: a folder for each, made whole before it gets its name.

``NAME/logins/ID`` has the key (if ssh-jit made it), ``session.json``, and the certificates in ``open/``.
``NAME/current`` leads to the one that counts, and is replaced in one step: nobody ever sees the key of one sign-in
beside the token of another. Whoever works by a sign-in holds its folder. One that is not current is removed once nobody
holds it and its certificates are over. One ssh-jit at a time signs in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit import names
from sshjit.api.session import LoginView
from sshjit.errors import Failed
from sshjit_client.storage import file_locks, files, paths

KEY = "id_ed25519"
SESSION = "session.json"
_NEW = ".new-"
"""The beginning of the name of a folder that is not whole yet."""
_ROOM = b"\0" * 65536
"""What must fit into a place before a person signs in: more than a sign-in takes."""
_MOVE = 900
"""Seconds that moving the sign-in of an earlier version waits for whoever signs in: longer than that takes."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Session:
    """``session.json``: the sign-in as the CA knows it, the token for the API, and the private key it is bound to."""

    url: str
    token: str
    login: LoginView
    key: str
    """Path of the private key."""
    public: str
    """The public key as one OpenSSH line."""
    folder: str = ""
    """Where it was read from; empty in the file."""


def places(environ: Mapping[str, str]) -> list[Path]:
    """The folders that may hold sign-ins, the best one first."""
    return [Path(place) for place in paths.places(environ)]


def current(environ: Mapping[str, str], name: str, now: float) -> Session | None:
    """The sign-in that counts; ``None`` if there is none, if it has expired, or if its key is gone."""
    before = None
    while folder := next(iter(paths.login_folders(environ, name)), ""):
        session = _read(folder, now)
        if session is not None or folder == before:
            return session
        before = folder  # another one may have taken its place while we read, and removed it
    return None


def _read(folder: str, now: float) -> Session | None:
    try:
        session = files.load(Path(folder, SESSION), Session)
    except Failed:  # signing in again replaces a damaged file
        return None
    if session is None:
        return None
    session = _at(Path(folder), session)
    if session.login.expires <= now or not Path(session.key).exists():
        return None
    if names.bearer(session.token) is None:  # it could not be sent, with every command anew
        return None
    return session


def _at(folder: Path, session: Session) -> Session:
    """The sign-in as it was read from its folder."""
    return replace(session, key=str(folder / session.key), folder=str(folder))


def hold(session: Session) -> bool:
    """Keeps the folder of a sign-in from being removed as long as this process runs, or until it becomes ssh.

    ``False``: it has been removed already, since another one took its place.
    """
    with suppress(OSError):
        file_locks.take(os.open(session.folder, os.O_RDONLY), shared=True)  # the system closes it
    return is_kept(session)


def is_kept(session: Session) -> bool:
    """Whether a sign-in is still here; it is gone once the person has signed out."""
    return Path(session.folder, SESSION).exists()


@contextmanager
def alone(environ: Mapping[str, str], name: str, say: Say, over: Callable[[], bool], patience: float) -> Iterator[bool]:
    """Waits until nobody else signs in, or until ``over``; the value is whether a sign-in is still needed.

    ``patience``: seconds that we wait for each of those who sign in before us.

    Raises:
        Failed: ``sign_in_busy``.

    """
    handle = files.in_first(places(environ), lambda place: _lock_file(place, name), lambda _: None)
    try:
        yield file_locks.wait_for(handle, say, over, patience)
    finally:
        os.close(handle)


def _lock_file(place: Path, name: str) -> int:
    folder = files.private_folder(files.private_folder(place) / name)
    return files.lock_file(folder / "sign-in.lock")


@contextmanager
def new(environ: Mapping[str, str], name: str, say: Say) -> Iterator[Path]:
    """A folder for a sign-in that is not whole yet; removed again unless ``publish`` gave it its name."""
    folder = files.in_first(places(environ), lambda place: _prepare(place, name), say)
    try:
        yield folder
    finally:
        _remove_tree(folder)


def _prepare(place: Path, name: str) -> Path:
    logins = files.private_folder(files.private_folder(files.private_folder(place) / name) / "logins")
    folder = files.private_folder(logins / f"{_NEW}{os.urandom(4).hex()}")
    try:
        files.write(folder / "room", _ROOM, durable=False)
    except OSError:
        _remove_tree(folder)
        raise
    (folder / "room").unlink()
    return folder


def publish(environ: Mapping[str, str], folder: Path, session: Session) -> Session:
    """Gives the folder its name and makes it the sign-in that counts. A key in it moves with it.

    The file names such a key without its folder, whose path need not be UTF-8.
    """
    final = folder.with_name(folder.name.removeprefix(_NEW))
    key = Path(session.key)
    inside = key.parent == folder
    kept = replace(session, key=key.name if inside else str(key), folder="")
    files.save(folder / SESSION, kept)
    files.private_folder(folder / "open")
    files.name_folder(folder, final.name)
    home = final.parent.parent
    files.lead(home / "current", Path("logins", final.name))
    for place in places(environ):
        if place != home.parent:
            _unlink(place / home.name / "current")
    return replace(kept, key=str(final / key.name if inside else key), folder=str(final))


def prune(environ: Mapping[str, str], name: str, live: Callable[[str], bool]) -> None:
    """Removes sign-ins that are not current, that nobody holds and that have no ``live`` certificates.

    Only the one who is ``alone`` may call it: what is not whole now never will be.
    """
    for there in _older(environ, name):
        if not any(live(str(folder)) for folder in there) and not any(map(_held, there)):
            _remove(there)


def idle(environ: Mapping[str, str], name: str) -> list[Session]:
    """The sign-ins that are not current and that nobody holds."""
    return [session for there in _older(environ, name) if not any(map(_held, there)) for session in _sessions(there)]


def _older(environ: Mapping[str, str], name: str) -> list[list[Path]]:
    """The folders of each sign-in that is not current, whole or not."""
    counts = {Path(folder).name for folder in paths.login_folders(environ, name)}
    return [there for login, there in _all(environ, name).items() if login not in counts]


def close(environ: Mapping[str, str], name: str) -> list[Session]:
    """Ends every sign-in on this machine, whose files stay until ``forget``; all that were whole."""
    closed = []
    for place in places(environ):
        _unlink(place / name / "current")
    for login, there in _all(environ, name).items():
        if not login.startswith(_NEW):  # somebody is just signing in
            closed += _sessions(there)
            for folder in there:
                _unlink(folder / SESSION)
    return closed


def forget(environ: Mapping[str, str], name: str) -> None:
    """Removes every sign-in with its key and certificates, used or not."""
    for login, there in _all(environ, name).items():
        if not login.startswith(_NEW):
            _remove(there)


def folders(environ: Mapping[str, str], name: str) -> list[Path]:
    """The folders of all sign-ins, whole or not, current or not."""
    return [folder for each in _all(environ, name).values() for folder in each]


def _all(environ: Mapping[str, str], name: str) -> dict[str, list[Path]]:
    """The folders of each sign-in, whole or not, by its id."""
    by_login: dict[str, list[Path]] = {}
    for place in places(environ):
        if paths.private(str(place)):
            for folder in sorted((place / name / "logins").glob("*")):
                by_login.setdefault(folder.name, []).append(folder)
    return by_login


def _sessions(there: list[Path]) -> list[Session]:
    """The sign-in in these folders, whether it has expired or not; none where it is not whole, or damaged."""
    whole = []
    for folder in there:
        with suppress(Failed):
            session = files.load(folder / SESSION, Session)
            whole += [_at(folder, session)] if session else []
    return whole


def _remove(there: list[Path]) -> None:
    """Removes the folders of one sign-in."""
    for folder in there:
        _remove_tree(folder)


def _held(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # gone, or a system that opens no folders, and has none of these locks
        return False
    try:
        return not file_locks.take(handle)
    finally:
        os.close(handle)


def _remove_tree(folder: Path) -> None:
    import shutil  # noqa: PLC0415  # it loads archivers, and a connection removes nothing

    shutil.rmtree(folder, ignore_errors=True)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def take_over(environ: Mapping[str, str], name: str, url: str, say: Say) -> None:
    """Makes a sign-in of an earlier version, whose files are in the place itself, one of this installation.

    Its certificates are left behind: their files name the key where it was. The next connection gets new ones.
    """
    for place in places(environ):
        if not paths.private(str(place)) or not (place / SESSION).exists():
            continue
        with alone(environ, name, say, lambda: False, _MOVE), suppress(Failed, OSError):
            session = files.load(place / SESSION, Session)
            if session is None or session.url != url:
                continue
            with new(environ, name, say) as folder:
                publish(environ, folder, _moved(session, place, folder))
            for old in (SESSION, KEY, f"{KEY}.pub", "own.conf"):
                _unlink(place / old)
            _remove_tree(place / "open")


def _moved(session: Session, place: Path, folder: Path) -> Session:
    """The session with its key copied into the new folder, if ssh-jit made it."""
    if Path(session.key) != place / KEY:
        return session
    for key in (KEY, f"{KEY}.pub"):
        files.write(folder / key, (place / key).read_bytes())
    return replace(session, key=str(folder / KEY))
