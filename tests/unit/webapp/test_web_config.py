"""``web.toml``, the files that it names, and the database."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sshjit.errors import Failed, Invalid
from sshjit_web import config, migrate
from sshjit_web.schema import METADATA
from sshjit_web.store import ANSWER, Store, open_engine
from tests.support.in_process_ca import config_text


def test_relative_paths_are_below_the_file(tmp_path: Path) -> None:
    found = config.parse(config_text(tmp_path, ca_socket='"run/web.sock"'), tmp_path)
    assert found.ca_socket == (str(tmp_path / "run/web.sock"),)
    assert found.origin == "http://127.0.0.1:8080"


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "webapp/etc/web.toml").read_text()
    found = config.parse(text, tmp_path)
    assert found.https
    assert found.providers == str(tmp_path / "providers.toml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sesion_key": '"x"'}, "sesion_key"),
        ({"port": '"8080"'}, "port"),
        ({"port": "0"}, "0 is not a port"),
        ({"address": '"0.0.0.0"'}, "unsafe_http"),
        ({"unsafe_http": "false"}, "https://"),
        ({"public_url": '"http://jit.example.com"'}, "https://"),
        ({"public_url": '"https://jit.example.com/app"'}, "public_url"),
        ({"threads": "0"}, "threads"),
        ({"proxy_hops": "-1"}, "proxy_hops"),
        ({"rate_address": "-1"}, "rate_address"),
        ({"rate_session": "2000000"}, "rate_session"),
        ({"metrics": '"9464"'}, "metrics"),
        ({"metrics": '"127.0.0.1:99999"'}, "port"),
        ({"trusted_proxies": '["10.0.0.1/8"]'}, "trusted_proxies"),
        ({"trusted_proxies": '["0.0.0.0/0"]'}, "is everybody"),
        ({"trusted_proxies": '["::/0"]'}, "is everybody"),
        ({"trusted_proxies": '["10.0.0.0/8"]', "proxy_hops": "1"}, "not both"),
        ({"tls_certificate": '"cert.pem"'}, "belong together"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid) as found:
        config.parse(config_text(tmp_path, **changes), tmp_path)
    assert found.value.code == "bad_config"
    assert said in found.value.message + found.value.hint
    assert found.value.message.startswith("web.toml")


def test_files_that_others_can_write_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "web.toml"
    path.write_text(config_text(tmp_path))
    for mode in (0o664, 0o646):
        path.chmod(mode)
        with pytest.raises(Invalid, match="can be written by others"):
            config.load(path)
    path.chmod(0o644)
    assert config.load(path).port == 8080


def test_files_of_another_user_are_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        with pytest.raises(Invalid, match="cannot read"):
            config.read_trusted(Path("/etc/shadow"))
        return
    path = tmp_path / "web.toml"
    path.write_text("x")
    os.chown(path, 65534, 65534)
    with pytest.raises(Invalid, match="another user"):
        config.read_trusted(path)


def test_secrets_that_strangers_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s" * 40)
    path.chmod(0o644)
    with pytest.raises(Invalid, match="can be read by others"):
        config.session_key(path)
    path.chmod(0o640)
    assert config.session_key(path) == b"s" * 40


def test_the_session_key_is_made_once_and_kept_to_ourselves(tmp_path: Path) -> None:
    path = tmp_path / "session.key"
    first = config.session_key(path)
    assert len(first) == 64
    assert config.session_key(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short")
    with pytest.raises(Invalid, match="less than"):
        config.session_key(path)


def test_the_migrations_make_what_the_store_expects(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_the_database_holds_no_token(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    migrate.upgrade(engine)
    store = Store(engine)
    store.add_session("a-token-secret", "api", "login-1", now=0, expires=100)
    assert store.use_state("a-state-secret", "acme", now=0, expires=100)
    assert store.find_session("a-token-secret", "api", now=1) == "login-1"
    store.close()
    with sqlite3.connect(tmp_path / "web.db") as raw:
        dump = "\n".join(raw.iterdump())
    raw.close()
    assert "login-1" in dump
    assert "secret" not in dump


def test_what_has_expired_is_swept(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    migrate.upgrade(engine)
    store = Store(engine)
    for number in range(50):
        assert store.use_state(f"state-{number}", "acme", now=1000, expires=1600)
    store.add_session("t", "page", "login-1", now=2000, expires=3000)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sign_ins").scalar() == 0
    store.close()


def test_a_database_that_cannot_be_used_is_our_failure(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path}/nowhere/web.db"))
    with pytest.raises(Failed) as found:
        store.find_session("t", "page", now=0)
    assert found.value.code == "database_down"
    assert str(found.value.__cause__) == "unable to open database file", "in the driver's words, without a statement"
    with pytest.raises(Failed, match="cannot be brought up to date"):
        migrate.upgrade(open_engine(f"sqlite:///{tmp_path}/nowhere/web.db"))
    store.close()


def test_an_error_of_the_database_shows_no_token(tmp_path: Path) -> None:
    """Where one is not turned into ours, its trace is in the log."""
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as found:
        connection.execute(text("SELECT * FROM nowhere WHERE token = :token"), {"token": "a-secret"})
    assert "a-secret" not in str(found.value)
    engine.dispose()


def test_sqlite_keeps_what_was_answered_and_waits_for_another_writer_no_longer_than_is_said(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/web.db")
    with engine.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert values == ["wal", 2, ANSWER * 1000]
    engine.dispose()


def test_nothing_but_a_plain_file_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("folder", "device"):
        with pytest.raises(Invalid) as refused:
            config.read_trusted(tmp_path / name)
        assert "not a regular file" in refused.value.message or "cannot read" in refused.value.message
    with pytest.raises(Invalid, match="not a regular file"):
        config.read_trusted(tmp_path / "device")


def test_the_session_key_is_on_the_disk_private_and_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, link, mask = os.fsync, Path.hardlink_to, os.umask(0)

    def synced(descriptor: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()} == {0o600}
        sync(descriptor)

    def linked(path: Path, target: Path) -> None:
        order.append("name")
        link(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "hardlink_to", linked)
    try:
        config.session_key(tmp_path / "session.key")
    finally:
        os.umask(mask)
    assert order == ["file", "name", "folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["session.key"]

    def late(path: Path, target: Path) -> None:
        path.touch(0o600)
        path.write_text("f" * 64)
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", late)
    (tmp_path / "session.key").unlink()
    assert config.session_key(tmp_path / "session.key") == b"f" * 64, "another process was first"


def test_a_name_that_was_guessed_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "passwords").write_text("root:x:0:0")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "00" * size)
    for plant in (Path.symlink_to, Path.hardlink_to):
        planted = tmp_path / f".session.key.{'00' * 8}"
        plant(planted, tmp_path / "passwords")
        with pytest.raises(Failed):
            config.session_key(tmp_path / "session.key")
        planted.unlink()
    assert (tmp_path / "passwords").read_text() == "root:x:0:0"


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_session_key_of_a_power_cut_is_made_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "session.key"
    path.write_text(content)
    path.chmod(0o600)
    assert len(config.session_key(path)) == 64
