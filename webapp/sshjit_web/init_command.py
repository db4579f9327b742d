"""``ssh-jit-web init``: commented settings, and, for those of the machine in /etc/ssh-jit, what it lacks beside them.

As root it makes the Unix user, its folder, a file for the secret of each provider's web client, and the units; anybody
else is told the lines. Nothing is ever written over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sshjit import machine_setup, names, settings
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.machine_setup import MakeFile, MakeFolder, MakeUser, Step
from sshjit_web import config

NAME = "web.toml"
FOLDER = Path(machine_setup.SETTINGS)
_UNITS = ("ssh-jit-web.service", "ssh-jit-notify.service")
_PACKAGED, _PACKAGED_UNITS = Path("/usr/share/ssh-jit"), Path("/usr/lib/systemd/system")
"""What a Debian package brings."""
_CREDENTIALS = "/run/credentials/ssh-jit-web.service"
_TLS = """# Written by ssh-jit-web init --tls: the front end ends TLS itself. systemd reads the files as root, and
# hands them over at a start. So after a renewal: systemctl restart ssh-jit-web
[Service]
LoadCredential=tls.pem:{certificate}
LoadCredential=tls.key:{key}
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``init``."""
    parser.add_argument("--example", type=Path, metavar="DIR", help="write commented settings into DIR, and no more")
    parser.add_argument("--public-url", metavar="URL", help="what people type: https://NAME [front_end of ca.toml]")
    text = "end TLS here, on port 443, by these two files (PEM), not in a proxy"
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERTIFICATE", "KEY"), help=text)
    parser.add_argument("--quiet", action="store_true", help="do not say what comes next")


def run(path: Path, options: argparse.Namespace) -> int:
    """Writes settings at ``path``, makes or tells what the machine lacks, and says what comes next; the exit code.

    Raises:
        Invalid: ``bad_url``, ``bad_certificate``, ``bad_path``.
        Failed: ``not_written``, ``no_examples``.

    """
    if options.tls is not None and path.parent == FOLDER:
        _require_pair(*options.tls)
        _tls_drop_in(*options.tls)
    _write_settings(path, options)
    if path.parent == FOLDER and options.example is None:
        steps = list(_missing(path, options.tls))
        if os.geteuid() == 0:
            _carry_out(steps)
        elif steps:
            _say("\nThis is not root. Left, as root:", *(f"  {step.line}" for step in steps))
            return 1
    if not options.quiet:
        program = _programs() / "ssh-jit-web"
        shown = "ssh-jit-web" if shutil.which("ssh-jit-web") == str(program) else str(program)
        _say(_NEXT.format(path=path, program=shown))
    return 0


_NEXT = """
Next, as root:
  editor {path}        # your own public_url, proxy_hops and paths; then the secrets of the providers' web clients
  {program} check --config {path}
  systemctl enable --now ssh-jit-web"""


def _require_pair(certificate: Path, key: Path) -> None:
    """Refuses files that are no certificate and its key: at a start systemd would only say that it cannot read them."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        text = f"{certificate} and {key} are not a certificate and its key (PEM): {error}"
        raise Invalid("bad_certificate", text, hint="nothing was written; the key must have no passphrase") from None


def _tls_drop_in(certificate: Path, key: Path) -> str:
    """The lines of the unit. Raises ``Invalid`` (``bad_path``)."""
    return _TLS.format(certificate=_in_unit(certificate.absolute()), key=_in_unit(key.absolute()))


def _in_unit(path: Path) -> str:
    """A path behind the colon of ``LoadCredential=``, where only ``%`` is more than a letter.

    systemd takes quotes, colons and blanks there as they are; it drops blanks at the end of a line, and a backslash
    there continues it (systemd.syntax, "Specifiers" in systemd.unit).
    """
    text = str(path)
    if not text.isprintable() or text != text.strip() or text.endswith("\\"):
        problem = f"{text!a} cannot stand in a unit: control characters, and a blank or a backslash at its end"
        raise Invalid("bad_path", problem, hint="give the file another name, or a link to it")
    return text.replace("%", "%%")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _programs() -> Path:
    installed = Path(sysconfig.get_path("scripts"))
    return installed if (installed / "ssh-jit-web").exists() else Path("/usr/bin")


def _shared() -> Path:
    installed = Path(sysconfig.get_path("data"), "share", "ssh-jit")
    return installed if installed.is_dir() else _PACKAGED


def _write_settings(path: Path, options: argparse.Namespace) -> None:
    if os.path.lexists(path):
        _say(f"there already     {path}")
        if options.tls and "tls_certificate" not in _settings_of(path):
            _say(f"{'':17} --tls changes nothing in it: see tls_certificate in the examples")
        return
    url = names.origin(options.public_url, plain_http=True) if options.public_url else _front_end(path.parent)
    values = {"public_url": json.dumps(url)} if url else {}
    if options.tls:
        values |= {"address": '"0.0.0.0"', "port": "443", "proxy_hops": "0"}
        values |= {"tls_certificate": f'"{_CREDENTIALS}/tls.pem"', "tls_key": f'"{_CREDENTIALS}/tls.key"'}
    try:
        text = (_shared() / "etc" / NAME).read_text(encoding="utf-8")
    except OSError as error:
        hint = "install ssh-jit from its wheel"
        raise Failed("no_examples", f"{error.filename}: {error.strerror}", hint=hint) from None
    try:
        config.make_settings(path, machine_setup.with_values(text, values))
    except OSError as error:
        hint = "run this as root, or name another folder: --config DIR/web.toml"
        raise Failed("not_written", f"cannot write {path}: {error.strerror}", hint=hint) from None
    _say(f"written           {path}")


def _front_end(folder: Path) -> str | None:
    """The address in the CA's settings, where they are on the same machine."""
    value = _settings_of(folder / "ca.toml").get("front_end")
    return value if isinstance(value, str) else None


def _settings_of(path: Path) -> dict[str, object]:
    """What a file of settings says; nothing where it is not there, or has a mistake."""
    with contextlib.suppress(OSError, UnicodeDecodeError, SshJitError):
        return dict(settings.parse(path.read_text(encoding="utf-8"), path.name))
    return {}


def _missing(path: Path, tls: tuple[Path, Path] | None) -> Iterator[Step]:
    """What the machine lacks, in the order in which it is made."""
    user = machine_setup.WEB_USER
    try:
        pwd.getpwnam(user)
    except KeyError:
        yield MakeUser(user)
    if not Path(f"/var/lib/{user}").exists():
        yield MakeFolder(f"/var/lib/{user}", 0o700, user)
    for secret in _secret_files(path):
        if not os.path.lexists(secret):
            yield MakeFile(str(secret), "", 0o640, user)
    folder = Path(machine_setup.UNITS)
    if not folder.is_dir():
        return
    for name in _UNITS:
        source = _shared() / "systemd" / name
        if not (_PACKAGED_UNITS / name).exists() and not os.path.lexists(folder / name):
            text = machine_setup.unit_text(source.read_text(encoding="utf-8"), str(_programs()))
            yield MakeFile(str(folder / name), text, source=str(source))
    drop_in = folder / "ssh-jit-web.service.d" / "tls.conf"
    if tls is not None and not os.path.lexists(drop_in):
        yield MakeFile(str(drop_in), _tls_drop_in(*tls))


def _secret_files(path: Path) -> list[Path]:
    """The files that ``providers.toml`` names for secrets; none where it is not there yet, or has a mistake."""
    with contextlib.suppress(SshJitError):
        known = config.load_providers(path.parent / "providers.toml")
        files = [path.parent / provider.web.client_secret_file for provider in known.values()]
        return [file for file in dict.fromkeys(files) if file.parent.is_dir()]
    return []


def _carry_out(steps: list[Step]) -> None:
    for step in steps:
        try:
            if isinstance(step, MakeUser):
                _run(step.command)
                _say(f"user made         {step.name}")
                continue
            if isinstance(step, MakeFolder):
                config.make_owned_folder(Path(step.path), step.mode, pwd.getpwnam(step.owner))
            else:
                gid = 0 if step.group == "root" else pwd.getpwnam(step.group).pw_gid
                config.make_settings(Path(step.path), step.text, step.mode, gid)
            _say(f"made              {step.path}{_to_fill(step)}")
        except OSError as error:
            raise Failed("not_written", f"{getattr(step, 'path', '')}: {error.strerror}") from None
    if any(isinstance(step, MakeFile) for step in steps) and Path("/run/systemd/system").is_dir():
        _run(("systemctl", "daemon-reload"))


def _to_fill(step: MakeFolder | MakeFile) -> str:
    empty = isinstance(step, MakeFile) and not step.text
    return ", empty: for the secret of the provider's web client" if empty else ""


def _run(words: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failed("no_program", f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise Failed("no_program", f"{' '.join(words)}: {done.stderr.strip()}")
