"""Reading the sign-in that counts, while another one takes its place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sshjit.api.session import LoginView
from sshjit.api.views import PersonView
from sshjit_client.storage import files, logins
from tests.unit.client.conftest import here

PERSON = PersonView("sub-1", "acme", "Alice", "alice@example.com")


def sign_in(environ: dict[str, str], token: str, expires: int) -> logins.Session:
    """A sign-in with a key of its own, which counts from now on."""
    login = LoginView(
        id=f"login-{token}", kind="native", person=PERSON, roles=(), signed_in=1, expires=expires, fingerprint=None,
        permissions=(), groups=(), verified=(), own=None, auth_time=None, mfa=False, hardware_key=False,
    )  # fmt: skip
    with logins.new(environ, "lab", lambda _: None) as folder:
        (folder / logins.KEY).write_text("key")
        return logins.publish(environ, folder, logins.Session("http://x", token, login, str(folder / logins.KEY), "p"))


def test_one_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the reader has seen which one counts, another one takes its place, and its files are gone."""
    environ, now = {**here(tmp_path).environ, "TMPDIR": str(tmp_path)}, int(time.time())
    first = sign_in(environ, "first", now + 60)
    opened: list[Path] = []
    load = files.load

    def replaced(path: Path, kind: type[logins.Session]) -> logins.Session | None:
        if not opened:
            sign_in(environ, "second", now + 60)
            (Path(first.key).parent / logins.SESSION).unlink()
        opened.append(path)
        return load(path, kind)

    monkeypatch.setattr(files, "load", replaced)
    found = logins.current(environ, "lab", now)
    assert found is not None
    assert found.token == "second"
    assert len(opened) == 2


def test_one_that_cannot_be_used_is_none_and_is_not_looked_at_for_ever(tmp_path: Path) -> None:
    environ, now = {**here(tmp_path).environ, "TMPDIR": str(tmp_path)}, int(time.time())
    assert logins.current(environ, "lab", now) is None
    made = sign_in(environ, "one", now + 60)
    kept = Path(made.key).parent / logins.SESSION
    assert logins.current(environ, "lab", now) is not None
    assert logins.current(environ, "lab", now + 60) is None, "it is over"
    text = kept.read_text()
    for damaged in ("{", text.replace('"one"', '"a b"')):
        files.write(kept, damaged)
        assert logins.current(environ, "lab", now) is None
    files.write(kept, text)
    Path(made.key).unlink()
    assert logins.current(environ, "lab", now) is None, "without its key"


def test_one_in_a_folder_whose_path_is_no_utf_8_counts(tmp_path: Path) -> None:
    """Each command would sign in again: the path of the key could not be read back."""
    folder = tmp_path / "\udcff"
    folder.mkdir()
    environ, now = {**here(folder).environ, "TMPDIR": str(folder)}, int(time.time())
    made = sign_in(environ, "one", now + 60)
    assert logins.current(environ, "lab", now) == made
    assert made.key.startswith(str(folder))
