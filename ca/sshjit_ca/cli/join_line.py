"""The one line by which a server joins: what ``ssh-jit-ca host add`` prints, to be pasted into a root shell there.

The line gets ``ssh-jit-host.pyz`` from the front end, compares it with the digest that this CA knows, installs it, and
runs ``join``. The front end is not believed: a program of another digest is not even written. The token comes on the
standard input (``printf`` is a shell's own), so that it stands in no list of processes; the bundle's root, the name and
the accounts are arguments, and whoever pastes the line can read all of it.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import importlib.util
import shlex
from dataclasses import dataclass
from pathlib import Path

from sshjit import host_program, names
from sshjit.errors import Failed
from sshjit_ca.config import Config

TARGET = "/usr/local/sbin/ssh-jit-host"
"""Where the line installs the program."""
MOST_BYTES = 16 * 1024 * 1024
TIMEOUT = 30
"""Seconds for the whole download."""
_OTHER = (
    "ssh-jit: what the front end serves is not the ssh-jit-host that the CA named: the front end has another release, "
    "or is not to be trusted. Nothing was installed."
)
_CODE = (
    "import hashlib,os,signal,sys,tempfile,urllib.request",
    "u,h,*a=sys.argv[1:]",
    'sys.excepthook=lambda t,e,b:print("ssh-jit: cannot install ssh-jit-host from",u+":",e,file=sys.stderr)',
    'signal.signal(14,lambda*s:sys.exit("ssh-jit: "+u+" took longer than {timeout} s; nothing was installed"))',
    "signal.alarm({timeout})",
    "d=urllib.request.urlopen(u,timeout={timeout}).read({most}+1)",
    "signal.alarm(0)",
    f'hashlib.sha256(d).hexdigest()==h or sys.exit("{_OTHER}")',
    'f=tempfile.NamedTemporaryFile(dir=os.path.dirname("{target}"))',
    "f.write(d)",
    "f.flush()",
    "os.fchmod(f.fileno(),0o755)",
    "os.fsync(f.fileno())",
    'os.replace(f.name,"{target}")',
    'os.execv(sys.executable,[sys.executable,"-IS","{target}",*a])',
)
"""What Python 3.9 or newer runs on the server; no single quote may be in it. 14 is SIGALRM.

The file is never closed: that would remove it by its old name, and Python is about to become another program.
"""


@dataclass(frozen=True, slots=True)
class Joining:
    """What a line says. ``name`` and ``invitation``: a host's own token, or a fleet's; one of the two is empty."""

    token: str
    url: str
    root: str
    logins: tuple[str, ...]
    name: str = ""
    invitation: str = ""
    host_certificates: bool = True
    jump_login: str = ""

    @property
    def line(self) -> str:
        """The line, for any shell of the POSIX kind.

        Raises:
            Failed: ``no_host_program``.

        """
        who = ("--name", self.name) if self.name else ("--invitation", self.invitation)
        arguments = ["join", "--url", self.url, "--root", self.root, *who]
        arguments += [word for login in self.logins for word in ("--login", login)]
        arguments += ["--jump-login", self.jump_login] if self.jump_login else []
        arguments += [] if self.host_certificates else ["--no-host-certificates"]
        code = ";".join(_CODE).format(timeout=TIMEOUT, most=MOST_BYTES, target=TARGET)
        words = ["python3", "-I", "-c", code, self.url + host_program.PATH, digest(), *arguments, "--token-file", "-"]
        return f"printf '%s\\n' {shlex.quote(self.token)} | sudo {shlex.join(words)}"


def front_end(conf: Config, options: argparse.Namespace, *, line: bool = True) -> str | None:
    """The address that hosts join at, by the command (``--url``) or by ``ca.toml``.

    Before anything is asked of the CA: where there is to be a ``line``, it must be one that can be made.

    Raises:
        Failed: ``no_host_program``.
        Invalid: what ``names.origin`` refuses.

    """
    url = conf.front_end if options.url is None else names.origin(options.url, plain_http=True)
    if url and line:
        digest()
    return url


@functools.cache
def digest() -> str:
    """The SHA-256, in hex, of the program that a front end of this release serves.

    Raises:
        Failed: ``no_host_program``.

    """
    spec = importlib.util.find_spec(host_program.PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        text = "the files of ssh-jit-host are not installed beside ssh-jit-ca, so its digest is not known"
        raise Failed("no_host_program", text, hint="install the whole of ssh-jit")
    folder = Path(folders[0])
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return hashlib.sha256(host_program.build(files, importlib.metadata.version("ssh-jit"))).hexdigest()
