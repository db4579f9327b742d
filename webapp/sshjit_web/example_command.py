"""``ssh-jit-web init --example DIR``: the commented settings of the front end, written where there are none yet."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_web import config

NAME = "web.toml"


def run(folder: Path) -> None:
    """Writes the file, and says what comes next; it is never written over.

    Raises:
        Invalid: ``already_made``, when it is there.
        Failed: ``not_written``, ``no_examples``.

    """
    shared, path = Path(sysconfig.get_path("data"), "share", "ssh-jit"), folder / NAME
    if os.path.lexists(path):
        raise Invalid("already_made", f"{path} is already there; nothing was written", hint="another folder")
    try:
        text = (shared / "etc" / NAME).read_text(encoding="utf-8")
    except OSError as error:
        hint = "install ssh-jit from its wheel"
        raise Failed("no_examples", f"{error.filename}: {error.strerror}", hint=hint) from None
    try:
        config.make_settings(path, text)
    except OSError as error:
        raise Failed("not_written", f"{error.filename or folder}: {error.strerror}") from None
    sys.stdout.write(_NEXT.format(path=path, folder=folder, units=shared / "systemd"))


_NEXT = """{path}

Next, as root:
  useradd --system --home-dir /var/lib/ssh-jit-web --shell /usr/sbin/nologin ssh-jit-web
  # write your own public_url, proxy_hops and paths into it
  install -m 0640 -g ssh-jit-web /dev/stdin {folder}/NAME-web.secret    # the secret of each provider's web client
  ssh-jit-web check --config {path}
  install -m 0644 {units}/ssh-jit-web.service /etc/systemd/system/ && systemctl daemon-reload
  systemctl enable --now ssh-jit-web
"""
