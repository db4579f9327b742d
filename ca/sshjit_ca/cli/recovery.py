"""The recovery key: a second CA of users that hosts trust, in a safe, for the day on which the CA is gone.

``recovery-sign`` needs its file and ``ssh-keygen``: no settings, no database, no CA. Hosts take a certificate by it for
an emergency by its key id, and report it to the next CA, whose alarm sounds then (``docs/operating.md``).
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

from sshjit import durations, names
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import files
from sshjit_ca.machine import durable

LONGEST = 3600
"""Seconds that a certificate by the recovery key lives at most: nothing can revoke it while the CA is gone."""
MAX_PUBLIC = 16384
_MARK = "ssh-jit-recovery-key"
"""The comment of a public half that was made here."""
IN_THE_SAFE = """\
Put the file into a safe, on a medium of its own, and remove it here. `ssh-keygen -p -f FILE` gives it a passphrase.
Hosts trust it once they have the next bundle. Try it there once: ssh-jit-ca recovery-sign --help"""
_ABOUT = """\
For the day on which the CA and its database are gone. It needs the recovery key's file and ssh-keygen, nothing else:

  ssh-jit-ca recovery-sign --key /media/safe/recovery --host web1 --login deploy --reason "CA burnt down" id_ed25519.pub
  ssh -i id_ed25519 deploy@web1

Hosts are named by their ids (web1, or web1~2 for the second machine of that name). Hosts report the use, and the CA's
alarm sounds once it is back.
"""


def add_command(commands: Any) -> None:
    """Adds ``recovery-sign``."""
    text = "sign a certificate by the recovery key, without CA and database"
    parser = commands.add_parser(
        "recovery-sign", help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="the recovery key's file")
    parser.add_argument("--host", required=True, action="append", metavar="ID", help="a host's id; may be repeated")
    parser.add_argument("--login", required=True, metavar="USER", help="the account on the hosts")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the certificate")
    parser.add_argument("--for", dest="lifetime", default="15m", metavar="TIME", help="1h at most [15m]")
    parser.add_argument("public_key", type=Path, metavar="FILE.pub", help="the certificate is written to FILE-cert.pub")
    parser.set_defaults(run=_sign, alone=True)


def make(path: Path) -> PublicKey:
    """Makes the recovery key; one that is there, from an ``init`` that was cut off, is gone on with.

    Its public half says what it is, so that nobody's everyday key becomes a CA of hosts by a slip.

    Raises:
        Invalid: ``already_there``, for a file that was not made here.
        Failed: ``not_written``, and why a file that is there is no key.

    """
    public = files.public_file(path)
    try:
        if not os.path.lexists(path):
            files.make(path)
            key = files.load_public(path)
            durable.write_durably(public, f"{key.line} {_MARK}\n".encode("ascii"), durable.PUBLIC)
            return key
        if not (public.is_file() and _MARK.encode() in durable.read_plain(public, MAX_PUBLIC)):
            text = f"{path} is there, and was not made as a recovery key; nothing was changed"
            raise Invalid("already_there", text, hint="name a file that does not exist: the key is made there")
        return files.load_public(path)
    except OSError as error:
        raise Failed("not_written", f"{error.filename or path}: {error.strerror}") from None


def _sign(_: object, options: argparse.Namespace) -> int:
    lifetime = durations.parse(options.lifetime)
    if not 0 < lifetime <= LONGEST:
        raise Invalid("bad_lifetime", "a certificate by the recovery key is valid for an hour at most")
    if options.public_key.suffix != ".pub":
        raise Invalid("bad_key", f"{options.public_key} must end in .pub", hint="the public half of a person's key")
    login = names.login_name(options.login)
    principals = [f"{login}@{names.host_id(host)}" for host in options.host]
    words = ["ssh-keygen", "-q", "-s", str(options.key), "-I", _key_id(options.reason), "-n", ",".join(principals)]
    words += ["-z", str(1 + secrets.randbelow(2**40 - 1)), "-V", f"-1m:+{lifetime}s", "-O", "clear", "-O", "permit-pty"]
    if subprocess.run([*words, str(options.public_key)], check=False).returncode != 0:
        raise Failed("not_signed", f"ssh-keygen could not sign by {options.key}", hint="what it says is above")
    target = options.public_key.with_name(f"{options.public_key.stem}-cert.pub")
    print(f"{target}: {', '.join(principals)}, for {durations.show(lifetime)}; connect by:")
    print(f"  {shlex.join(['ssh', '-i', str(options.public_key.with_suffix('')), f'{login}@{options.host[0]}'])}")
    return 0


def _key_id(reason: str) -> str:
    """What hosts know such a certificate by, and the reason in the characters that sshd writes as they are."""
    text = names.free_text(reason, "the reason")
    if not text:
        raise Invalid("no_reason", "give a reason", hint="--reason TEXT")
    shown = "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
    return f"recovery {shown}"[:200]
