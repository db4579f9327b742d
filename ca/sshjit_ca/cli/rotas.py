"""``ssh-jit-ca rota``: what a rota says, before it is given out."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

from sshjit.policy.model import Source
from sshjit.policy.rota import RotaText, parse_rota
from sshjit.policy.schedule import show_time
from sshjit_ca.cli.show import count
from sshjit_ca.config import Config
from sshjit_ca.source_config import RotaPlace
from sshjit_ca.sources.rotas import fetch_rota, read_rota_file


def add_commands(commands: Any) -> None:
    """Adds ``rota`` with its subcommand."""
    inner = commands.add_parser("rota", help="who is on call").add_subparsers(required=True, metavar="COMMAND")
    parser = inner.add_parser("check", help="say what is wrong with a rota's text, and whom it names now")
    parser.description = "Check the text of a rota, and the signature beside it in FILE.sig, if there is one."
    parser.set_defaults(run=_check)
    parser.add_argument("file", metavar="FILE", type=Path)


def _check(conf: Config, options: argparse.Namespace) -> int:
    raw = read_rota_file(options.file)
    rota = parse_rota(raw.decode("utf-8", "replace"), file=str(options.file))
    print(f"good: {rota.name}, issued {show_time(rota.issued)}, {count(len(rota.spans), 'span')}")
    print(f"sha256: {hashlib.sha256(raw).hexdigest()}")
    print(f"signature: {_signature(conf.rotas.get(rota.name), rota, options.file.absolute())}")
    named = list(_named(rota, int(time.time())))
    print("\n".join(named) if named else "on call now: nobody")
    return 0


def _signature(place: RotaPlace | None, rota: RotaText, file: Path) -> str:
    """Who vouches for it, by ``ca.toml``. Raises ``Invalid``: ``bad_rota``, where nobody does."""
    if place is None:
        return f"ca.toml has no [rotas.{rota.name}]"
    if place.signers and not file.with_name(f"{file.name}.sig").exists():
        return f"not signed yet; ssh-keygen -Y sign -n rota@ssh-jit -f KEY {file}"
    here = RotaPlace(None, file, place.signers, place.sha256, place.every)
    by = fetch_rota(rota.name, here).by
    return "the digest is that of ca.toml" if by == "sha256" else f"good, by {by}"


def _named(rota: RotaText, now: int) -> list[str]:
    spans = [span for span in rota.spans if span.begin <= now < span.end]
    return [f"on call now: {_text(who)} until {show_time(span.end)}" for span in spans for who in span.people]


def _text(source: Source) -> str:
    return f"{source.provider}/{source.kind}:{source.name}"
