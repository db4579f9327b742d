"""``leave``: the server is as it was before it joined, and the CA knows.

The CA is told first, while the host still knows which CA it is; if it cannot be told, the rest goes on, and what the
operator has to do is said. Works on a host that joined by halves, or was set up by hand.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sshjit_host.config import Config, load
from sshjit_host.errors import HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import enrolment, renewal
from sshjit_host.joining import journal, undo, units
from sshjit_host.joining.journal import Entry, Journal
from sshjit_host.machine import files
from sshjit_host.openssh import reloading
from sshjit_host.openssh.dropin import DropIn
from sshjit_host.refresh import Refresher

Say = Callable[[str], None]


def leave(path: Path, say: Say) -> None:
    """Leave. Raises ``HostError`` if something had to stay; then another ``leave`` goes on."""
    folder = path.parent
    if not folder.is_dir():
        say("this host has not joined; there is nothing to take away")
        return
    with files.locked_folder(folder):
        files.remove_leftovers(folder)
        record = journal.read(folder / journal.NAME)
        config = _config(path, record)
        if config is None:
            for entry in journal.empty_folder(folder):
                entry.put_back()
            say("this host has not joined; there is nothing to take away")
            return
        undo.require_ours(config)
        if record.step != journal.JOINING:
            _mark_loaded(config)
        if record.step != journal.LEAVING:
            _tell(config, say)
            record.leave(_entries(config, path, record), record.settings or path.read_text(encoding="utf-8"))
        made = [entry for entry in record.entries if entry.kind == "folder"]
        undo.all_of_it(config, record, say)
        for entry in reversed(made):
            entry.put_back()
        say("this server is as it was before it joined")
    _remove_program(say)


def _config(path: Path, record: Journal) -> Config | None:
    if path.exists() and record.step != journal.JOINING:
        return load(path)
    return record.config(path) if record.settings else None


def _mark_loaded(config: Config) -> None:
    """Sshd may go by a drop-in that stands there, whoever wrote it: an older release left no word of that."""
    if config.home.is_dir() and DropIn(config).is_ours():
        files.write(config.home / reloading.LOADED, b"")


def _entries(config: Config, path: Path, record: Journal) -> Iterator[Entry]:
    """What the journal says; of a host that was set up by hand, what bears our mark."""
    yield from record.entries
    known = {entry.path for entry in record.entries}
    if config.home not in known:
        yield Entry("tree", config.home)
    ours = [path, *(due.place for due in _certificates(config)), *_units()]
    if DropIn(config).is_ours():
        ours.append(config.dropin)
    yield from (Entry("file", place) for place in ours if place not in known)


def _units() -> Iterator[Path]:
    for name in units.ALL if units.has_systemd() else ():
        place = units.OWN / name
        if b"ssh-jit" in (files.read(place) or b""):
            yield place
        if units.wants(name).is_symlink():
            yield units.wants(name)


def _certificates(config: Config) -> list[renewal.Due]:
    bundle = _held(config)
    return [] if bundle is None else list(renewal.ours(DropIn(config), bundle))


def _held(config: Config) -> Bundle | None:
    try:
        return Refresher(config, lambda _: None).held()
    except HostError:
        return None


def _tell(config: Config, say: Say) -> None:
    """Tell the CA, by any of the host keys that it knows."""
    problem, bundle = "this host holds no bundle that would name the CA", _held(config)
    if bundle is not None:
        try:
            enrolment.leave(config, bundle, int(time.time()))
        except HostError as error:  # a server without sshd can leave too
            problem = error.message
        else:
            say(f"the CA knows that {config.name} left")
            return
    say(f"warning: the CA could not be told: {problem}")
    say(f"hint: on the CA's machine: ssh-jit-ca host remove {config.name} --reason 'it left'")


def _remove_program(say: Say) -> None:
    """The file that the joining line installed goes last: what runs is read from it."""
    program = Path(units.PROGRAM)
    if Path(sys.argv[0]).absolute() == program and not program.is_symlink():
        files.remove(program)
        say(f"removed {program}")
