"""Host keys in files: which are sent to the CA, and where the certificates of its answer go."""

from __future__ import annotations

import argparse
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit import sshcert, sshkey
from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import maintenance as cli_care


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--host-key``, as often as there are keys."""
    parser.add_argument(
        "--host-key",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.pub",
        help="the public key; the certificate is written to FILE-cert.pub",
    )


def read(files: list[Path]) -> tuple[str, ...]:
    """The public keys in these files."""
    return tuple(cli_care.public_key(path) for path in files)


def write(files: list[Path], reply: m.HostReply) -> None:
    """Writes each file's certificate beside it, found by the key inside. Keys of types that were left out have none."""
    by_key = {sshcert.parse_line(line)[0].key.line: line for line in reply.certificates}
    for path in files:
        if cli_care.public_key(path).partition(" ")[0] in reply.left_out:
            continue
        certificate = by_key.get(sshkey.parse_line(cli_care.public_key(path)).line)
        if certificate is None:
            raise Invalid("unknown_host_key", f"{path} is not one of the keys of {reply.host.name}")
        target = path.with_name(f"{path.name.removesuffix('.pub')}-cert.pub")
        try:
            cli_care.write_certificate(target, certificate)
        except OSError as error:
            text = f"{reply.host.name} is enrolled, but {target} cannot be written: {error.strerror}"
            raise Failed("not_written", text, hint=f"ssh-jit-ca host sign {reply.host.name}") from None
