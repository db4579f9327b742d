"""As whom a command works on the CA's home: as its owner, whoever typed the command.

What root wrote there, its owner could not read: the CA would not start again. So a command that opens the home itself
becomes the owner before it opens anything, or, typed by somebody else than root, refuses. Files that the operator
names are theirs: they are read and written with the operator's rights, in ``as_operator``. A command that opens private
keys becomes the owner for good, since a key's device brings a library of the owner's choice into the process.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import FAMILIES, Failed, Refused, SshJitError
from sshjit_ca.machine.durable import Folder, make_folder

_NAMES = ("checkpoint", "checkpoint.restored", "epoch", "clock", "alerted", "reserve", "invitation-secret")
"""What the CA keeps in its home beside the database, the keys and the spool."""
_PROGRAM = ("sshjit", "sshjit_ca", "sqlalchemy", "cryptography")
"""What is loaded from at any time, as whoever the process is by then; beside Python itself."""


@dataclass(frozen=True, slots=True)
class Account:
    """A Unix user. ``name`` is what ``sudo`` and ``chown`` take for it."""

    uid: int
    gid: int
    name: str
    folder: str

    @classmethod
    def of(cls, uid: int, gid: int) -> Account:
        """The user with a number; ``gid`` counts for one that has no line in the system's table."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            return cls(uid, gid, f"#{uid}", "/")
        return cls(uid, entry.pw_gid, entry.pw_name, entry.pw_dir)


def owner_of(path: Path) -> Account:
    """Whom a path belongs to. Raises ``OSError``."""
    status = path.stat()
    return Account.of(status.st_uid, status.st_gid)


def settle(home: Path, *, for_good: bool) -> None:
    """Becomes the owner of the CA's home; a home that is not there yet is for the command to miss.

    ``for_good``: what the operator may do is given up, so that ``as_operator`` changes nothing any more.

    Raises:
        Refused: ``wrong_user``.
        Failed: ``out_of_reach``, when the owner cannot reach the home, or read this program.

    """
    os.umask(0o077)
    try:
        owner = owner_of(home)
    except FileNotFoundError:
        return
    except PermissionError:
        require_reach(home)
        raise
    program = _program()
    if owner.uid != os.geteuid():
        try:
            _become(owner, for_good=for_good)
        except OSError:  # not root, or root without its rights, as in a container
            text = f"the CA's home {home} belongs to {owner.name}, and this runs as {_me()}; nothing was changed"
            raise _wrong_user(text, owner.name) from None
    require_reach(home)
    for path in program:
        if not os.access(path, os.R_OK, effective_ids=True):
            text = f"{owner.name}, the CA's user, cannot read this program's file {path}; nothing was changed"
            hint = "install ssh-jit, and its Python, where every user can read them, such as /opt/ssh-jit"
            raise Failed("out_of_reach", text, hint=hint)


@functools.cache
def _program() -> tuple[Path, ...]:
    """Files that tell whether the program can be read; found while whoever started it can."""
    specs = [importlib.util.find_spec(name) for name in _PROGRAM]
    return (Path(os.__file__), *(Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None))


def require_reach(path: Path) -> None:
    """Refuses where this user cannot pass a folder on the way to a file, or cannot read the file.

    Raises:
        Failed: ``out_of_reach``.

    """
    if (folder := _closed_folder(path)) is not None:
        text = f"{_me()} cannot pass the folder {folder}, so {path} is out of reach"
        raise Failed("out_of_reach", text, hint=_open_hint(folder))
    if path.exists() and not os.access(path, os.R_OK, effective_ids=True):
        hint = f"as root: chgrp {os.getegid()} {path}; chmod g+r {path}"
        raise Failed("out_of_reach", f"{_me()} cannot read {path}", hint=hint)


def _closed_folder(path: Path) -> Path | None:
    """The topmost folder on the way to a path that this user cannot pass."""
    folders = (folder for folder in reversed(path.absolute().parents) if folder.exists())
    return next((folder for folder in folders if not os.access(folder, os.X_OK, effective_ids=True)), None)


def _open_hint(folder: Path) -> str:
    return f"if {_me()} is the CA's user, as root: chmod o+x {folder}"


def _wrong_user(text: str, owner: str) -> Refused:
    return Refused(
        "wrong_user", text, hint=f"sudo -u {owner} ssh-jit-ca …" if " " not in owner else f"run it as {owner}"
    )


def _me() -> str:
    return Account.of(os.geteuid(), os.getegid()).name


def _become(owner: Account, *, for_good: bool) -> None:
    if owner.name.startswith("#"):
        os.setgroups([owner.gid])
    else:
        os.initgroups(owner.name, owner.gid)
    os.setresgid(owner.gid, owner.gid, owner.gid if for_good else 0)
    os.setresuid(owner.uid, owner.uid, owner.uid if for_good else 0)
    os.environ.update(HOME=owner.folder, USER=owner.name, LOGNAME=owner.name)


def settle_for_good() -> None:
    """Gives up what ``settle`` kept of the operator's rights."""
    _, gid, _ = os.getresgid()
    _, uid, _ = os.getresuid()
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


@contextlib.contextmanager
def as_operator() -> Iterator[None]:
    """With the rights of whoever typed the command, for the files that they named."""
    real, _, kept = os.getresuid()
    if os.geteuid() == kept or kept == real:
        yield
        return
    _, group, _ = os.getresgid()
    os.seteuid(kept)
    os.setegid(0)
    try:
        yield
    finally:
        os.setegid(group)
        os.seteuid(real)


def run_for_good(work: Callable[[], bytes]) -> bytes:
    """Does something as the owner for good, while this process keeps the operator's rights: in another one then.

    Raises:
        SshJitError: what ``work`` raised; ``defect`` when it broke off.

    """
    real, _, kept = os.getresuid()
    if kept == real:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, work)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    if answer[:1] == b"=":
        return answer[1:]
    if not answer:
        raise Failed("defect", "the process that works as the CA's user broke off")
    family, code, message, hint = json.loads(answer[1:])
    raise FAMILIES[family](code, message, hint=hint)


def _answer(writing: int, work: Callable[[], bytes]) -> None:
    """The other process: its answer, and its end."""
    try:
        try:
            settle_for_good()
            answer = b"=" + work()
        except SshJitError as error:
            answer = b"!" + json.dumps([error.family, error.code, error.message, error.hint]).encode()
        except OSError as error:
            answer = b"!" + json.dumps(["failed", "defect", str(error), ""]).encode()
        with os.fdopen(writing, "wb") as file:
            file.write(answer)
    finally:
        os._exit(0)


def begin_home(home: Path, user: str | None) -> None:
    """Makes the CA's home for a Unix user, if it is not there, and becomes its owner for good.

    Raises:
        Refused: ``wrong_user``.
        Failed: ``no_user``, ``out_of_reach``.

    """
    account = _named(user) if user is not None else None
    if _is_there(home):
        owner = owner_of(home)
        if account is not None and account.uid != owner.uid:
            text = f"the CA's home {home} belongs to {owner.name}, not to {account.name}; nothing was changed"
            raise Refused("wrong_user", text, hint=f"if nothing else uses it: chown -R {account.name} {home}")
        settle(home, for_good=True)
        return
    os.umask(0o077)
    if os.geteuid() != 0:
        if account is not None and account.uid != os.geteuid():
            raise _wrong_user(f"this runs as {_me()}, who cannot make a home for {account.name}", account.name)
        make_folder(home)
        return
    if account is None:
        text = f"{home} does not exist, and the CA should not be root's; nothing was changed"
        raise Failed("no_user", text, hint="ssh-jit-ca init --user ssh-jit-ca (User= in its unit)")
    if not home.parent.is_dir():
        make_folder(home.parent, 0o755)
    make_folder(home)
    with Folder.open(home) as folder:
        os.fchown(folder.descriptor, account.uid, account.gid)
    settle(home, for_good=True)


def _is_there(home: Path) -> bool:
    try:
        return home.exists()
    except PermissionError:
        require_reach(home)
        raise


def _named(user: str) -> Account:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        hint = f"useradd --system --home-dir /var/lib/ssh-jit-ca --shell /usr/sbin/nologin {user}"
        raise Failed("no_user", f"there is no Unix user {user!r}", hint=hint) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir)


def foreign(home: Path, database: Path | None) -> list[Path]:
    """The files of the CA that do not belong to the owner of its home, such as a command of root's left behind once."""
    paths = [home / name for name in _NAMES]
    for folder in (home / "keys", home / "emergency"):
        if folder.is_dir():
            paths += [folder, *sorted(folder.iterdir())]
    if database is not None:
        paths += [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
    uid = home.stat().st_uid
    return [path for path in paths if os.path.lexists(path) and path.lstat().st_uid != uid]


def require_ours(home: Path, database: Path | None) -> None:
    """Refuses to begin while a file of the CA belongs to somebody else: it could not be read, or replaced.

    Raises:
        Failed: ``wrong_owner``.

    """
    if home.is_dir() and (paths := foreign(home, database)):
        owner, names = owner_of(home).name, " ".join(map(str, paths))
        text = f"{names} does not belong to {owner}, as the CA's home does; nothing was changed"
        raise Failed("wrong_owner", text, hint=f"as root: chown -h {owner} {names}")


def unreadable_hint(path: Path, error: OSError, otherwise: str) -> str:
    """What to do about a file of the CA that cannot be read: a matter of rights is never one of loss."""
    if not isinstance(error, PermissionError):
        return otherwise
    if (folder := _closed_folder(path)) is not None:
        return _open_hint(folder)
    right = owner_of(path.parent)
    own = os.path.lexists(path) and path.lstat().st_uid == right.uid
    return f"as root: chmod u+r {path}" if own else f"as root: chown -h {right.name} {path}"
