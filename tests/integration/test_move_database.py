"""From SQLite to PostgreSQL by one command, and backups of a CA that runs and writes, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca import config as configuration
from sshjit_ca.log import verification
from sshjit_ca.operations import admin_client, backup, move_database
from sshjit_ca.service import standby
from sshjit_ca.storage.database import set_aside
from sshjit_ca.storage.store import Store
from sshjit_web import migrate
from sshjit_web.store import Store as WebStore
from sshjit_web.store import open_engine
from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import ALICE, Installation
from tests.support.issuer import Issuer, serving
from tests.support.postgres import Postgres, running
from tests.support.whole_installation import web_config

PORT = 1
"""Of a front end that does not run."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with running() as one:
        yield one


@pytest.fixture
def issuers() -> Iterator[dict[str, Issuer]]:
    """Two of them."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving()) for name in ("acme", "partner")}


def whole(ca: Installation, database: str) -> int:
    """How many entries of the log are in a database, which must be sound."""
    with closing(Store(database, read_only=True)) as store:
        verdict = verification.verify(store, ca.context.keys.public("log"))
    assert verdict.problems == ()
    return verdict.size


def test_an_installation_moves_by_one_command_with_its_log_and_its_sessions(
    tmp_path: Path, issuers: dict[str, Issuer], server: Postgres
) -> None:
    ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time())
    ca.add_host("web1", env="staging")
    login = ca.native(ALICE)
    for _ in range(3):
        ca.ask(login, "web1")
    ca.stop()
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    migrate.upgrade(engine)
    WebStore(engine).add_session("token", "api", login, now=1, expires=10)
    engine.dispose()
    size = whole(ca, ca.config.database)
    settings, log, web = web_config(tmp_path, 0, PORT, f"sqlite:///{tmp_path}/web.db"), server.bare(), server.bare()
    config = tmp_path / "ca.toml"
    said = run_command(config, "move-database", log, "--front-end", str(settings), web)
    assert f"{size} entries of the log were moved and verified" in said
    assert whole(ca, log) == size
    moved = open_engine(web)
    assert WebStore(moved).find_session("token", "api", now=2) == login
    moved.dispose()
    assert not (tmp_path / "ca" / "ca.db").exists()
    assert (tmp_path / "web.db.moved").exists()
    assert "no such table" in run_command(config, "serve", code=1)  # the old settings start no second log
    (tmp_path / "ca" / "ca.db").unlink()
    text = config.read_text().replace("unsafe_development", f'database = "{log}"\nunsafe_development')
    config.write_text(text)
    process = CaProcess.start(config, ca.config.admin_socket)
    assert process.notification() == "READY=1\nSTATUS=serving"
    status = admin_client.call(ca.config.admin_socket, m.Status(), m.StatusReply)
    assert (status.database, status.live_certificates) == ("postgresql", 3)
    assert process.end() == 0
    again = tmp_path / "again.toml"
    again.write_text(text.replace(f'database = "{log}"', f'database = "sqlite:///{tmp_path}/ca/ca.db.moved"'))
    again.chmod(0o600)
    assert "has a log already" in run_command(again, "move-database", log, code=2)


def test_a_running_ca_is_not_moved(tmp_path: Path, issuers: dict[str, Issuer], server: Postgres) -> None:
    ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time())
    ca.stop()
    process = CaProcess.start(tmp_path / "ca.toml", ca.config.admin_socket)
    process.notification()
    assert "a CA is writing this log" in run_command(tmp_path / "ca.toml", "move-database", server.bare(), code=4)
    assert process.ready()
    assert process.end() == 0


def test_t63_a_ca_that_starts_while_the_log_is_moved_loses_nothing(
    tmp_path: Path, issuers: dict[str, Issuer], server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at the old database and its new name."""
    ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time())
    ca.stop()

    def start_first(file: Path, ending: str) -> Path | None:
        ca.start()
        return set_aside(file, ending)

    monkeypatch.setattr(move_database, "set_aside", start_first)
    passing = standby.Time(time.monotonic, time.sleep)
    with pytest.raises(Failed, match="somebody wrote while the log was copied"):
        move_database.move(ca.config, server.bare(), passing)
    assert not list((tmp_path / "ca").glob("ca.db.moved*"))
    assert ca.kinds()[-1] == "start"
    ca.native(ALICE)
    ca.stop()
    assert whole(ca, ca.config.database) > 1


@pytest.fixture(params=["sqlite", "postgresql"])
def busy(request: pytest.FixtureRequest, tmp_path: Path, issuers: dict[str, Issuer]) -> Iterator[Installation]:
    """A CA as a process that writes all the time."""
    database = request.getfixturevalue("server").new() if request.param == "postgresql" else None
    ca = Installation(tmp_path, issuers, time=time.time(), boot=time.time(), database=database)
    ca.stop()
    process, stop = CaProcess.start(tmp_path / "ca.toml", ca.config.admin_socket), threading.Event()
    process.notification()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            message = m.AddHost(f"web{number}", (), "127.0.0.1", 22, (("env", "staging"),), ())
            admin_client.call(ca.config.admin_socket, message, m.HostReply)

    writer = threading.Thread(target=write)
    writer.start()
    yield ca
    stop.set()
    writer.join()
    process.end()


def test_a_backup_of_a_ca_that_writes_is_whole_and_goes_on_elsewhere(busy: Installation, server: Postgres) -> None:
    config = busy.home / "ca.toml"
    sizes = []
    for number in range(3):
        run_command(config, "backup", str(busy.home / f"{number}.tar"))
        copy = busy.home / f"{number}.db"
        backup.unpack(busy.home / f"{number}.tar", copy)
        sizes.append(whole(busy, f"sqlite:///{copy}"))
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    other = busy.home / "other.toml"
    (busy.home / "other").mkdir(mode=0o700)
    (busy.home / "other" / "keys").symlink_to(busy.home / "ca" / "keys")
    text = config.read_text().replace(f'home = "{busy.home}/ca"', f'home = "{busy.home}/other"')
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("database"))
    other.write_text(text.replace("unsafe_development", f'database = "{server.bare()}"\nunsafe_development'))
    other.chmod(0o600)
    archive = str(busy.home / "2.tar")
    said = run_command(other, "restore", archive, "--accept-loss", "--reason", "a drill")
    assert f"the log continues after entry {sizes[-1]}" in said
    assert whole(busy, configuration.load(other).database) == sizes[-1] + 1
    with pytest.raises(Failed):  # nobody serves there
        admin_client.call(busy.home / "nobody.sock", m.Health(), m.HealthReply)
    refused = run_command(other, "restore", archive, "--accept-loss", "--reason", "again", code=2)
    assert "has a log already" in refused
