"""``init``: commented settings from the wheel, never written over; a missing file names the way to them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sshjit.errors import Invalid
from sshjit.machine_setup import MakeFile
from sshjit_ca.operations import examples
from sshjit_web import init_command

BIN = Path(sys.executable).parent
MADE = {"ssh-jit-ca": ("ca.toml", "providers.toml", "policy.toml"), "ssh-jit-web": ("web.toml",)}


def run(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_settings_are_written_once_and_the_next_step_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ssh-jit"
    for program, names in MADE.items():
        said = run(program, "init", "--example", folder)
        for name in names:
            assert f"written           {folder / name}\n" in said
            assert (folder / name).read_bytes() == (examples.shared() / "etc" / name).read_bytes()
            assert (folder / name).stat().st_mode & 0o777 == 0o644
            (folder / name).write_text("mine")
        assert "\nNext" in said
        again = run(program, "init", "--example", folder)
        assert all(f"there already     {folder / name}\n" in again for name in names)
        assert all((folder / name).read_text() == "mine" for name in names)


def test_what_an_installation_is_called_goes_into_new_settings(tmp_path: Path) -> None:
    """And nothing is made beside them: they are not the machine's own, and ``home`` is to be chosen first."""
    config = tmp_path / "ca.toml"
    said = run("ssh-jit-ca", "init", "--config", config, "--front-end", "https://Access.example.com/")
    values = tomllib.loads(config.read_text())
    assert values["installation"] == "access.example.com"
    assert values["front_end"] == "https://Access.example.com"
    assert f"--config {tmp_path}/ca.toml init" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.toml", "policy.toml", "providers.toml"]
    run("ssh-jit-web", "init", "--config", tmp_path / "web.toml", "--tls", "/tls/cert.pem", "/tls/key.pem")
    web = tomllib.loads((tmp_path / "web.toml").read_text())
    assert web["public_url"] == values["front_end"], "the CA's settings beside it say it"
    assert (web["port"], web["proxy_hops"], web["address"]) == (443, 0, "0.0.0.0")
    assert {"tls_certificate", "tls_key"} <= web.keys()
    assert not (tmp_path / "web.db").exists()


def test_paths_of_tls_are_escaped_for_systemd_or_refused() -> None:
    text = init_command._tls_drop_in(Path("/etc/ssl/my %n: 50%.pem"), Path('/etc/ssl/"key"'))
    assert "LoadCredential=tls.pem:/etc/ssl/my %%n: 50%%.pem\n" in text
    assert 'LoadCredential=tls.key:/etc/ssl/"key"\n' in text
    for name in ("two\nLoadCredential=x:/etc/shadow", "blank ", "\ttab", "backslash\\", "\x1b", "\u2028"):
        for files in (("/etc/ssl/a.pem", f"/etc/ssl/{name}"), (f"/etc/ssl/{name}", "/etc/ssl/a.key")):
            with pytest.raises(Invalid) as error:
                init_command._tls_drop_in(*map(Path, files))
            assert error.value.code == "bad_path"


def test_whoever_is_not_root_is_told_a_line_that_makes_the_whole_file(tmp_path: Path) -> None:
    """With its folder, and what stands in it: for a drop-in there is no file to copy."""
    text = "[Service]\nLoadCredential=tls.pem:/it's/50%%\n"
    made = MakeFile(f"{tmp_path}/a b/tls.conf", text)
    subprocess.run(["sh", "-c", made.line.replace("-o root -g root ", "")], check=True)
    assert (tmp_path / "a b" / "tls.conf").read_text() == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--front-end", "https://a.example/path"), "has a path"),
        (("--installation", "Two Words"), "cannot name an installation"),
    ],
)
def test_nothing_is_written_with_values_that_cannot_be(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    assert message in run("ssh-jit-ca", "init", "--config", tmp_path / "ca.toml", *words, code=2)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_names_the_way_to_one(tmp_path: Path) -> None:
    for words in (("ssh-jit-ca", "serve"), ("ssh-jit-web", "serve"), ("ssh-jit-web", "notify")):
        said = run(*words, "--config", tmp_path / "none.toml", code=2)
        assert f"hint: {words[0]} init writes commented settings" in said
