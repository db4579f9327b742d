"""``ssh-jit-ca log``: what happened, and that nobody changed it since."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sshjit import ca_protocol as m
from sshjit import checkpoint, durations, sshcert, tlogproof, wire
from sshjit.cosignature import parse_verifier_key
from sshjit.errors import Failed, Invalid
from sshjit_ca.cli import log_find
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli import tail as cli_tail
from sshjit_ca.cli.maintenance import AS_OWNER
from sshjit_ca.config import Config
from sshjit_ca.keys import files, succession
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import owner
from sshjit_ca.machine.durable import PUBLIC, write_durably
from sshjit_ca.operations import admin_client
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.standing import verified

MAX_FILE = 1024 * 1024


def add_commands(commands: Any) -> None:
    """Adds ``log`` with its subcommands."""
    inner = commands.add_parser("log", help="read, verify and export the log").add_subparsers(
        required=True, metavar="COMMAND"
    )
    show = _filters(_command(inner, "show", "show entries, the newest last", _show))
    show.add_argument("--limit", type=_count, default=50, metavar="N", help="how many [50]")
    show.add_argument("--before", type=_entry, metavar="ENTRY", help="only entries before this one")
    tail = _filters(_command(inner, "tail", "show the newest entries", cli_tail.tail))
    begin = tail.add_mutually_exclusive_group()
    begin.add_argument("-n", "--limit", type=_count, default=10, metavar="N", help="how many [10]")
    begin.add_argument("--after", type=_entry, metavar="ENTRY", help="everything after this entry")
    tail.add_argument("-f", "--follow", action="store_true", help="keep following; waits while the CA is down")
    find = _command(
        inner, "find", "show the entry of the certificate that a line of sshd's log is about", log_find.find
    )
    find.add_argument("line", nargs="+", metavar="LINE", help="in quotes, as the host's journal has it")
    verify = _command(inner, "verify", "check that the log is whole", _verify)
    verify.set_defaults(works=AS_OWNER)
    verify.add_argument("--database", type=Path, metavar="FILE", help="a copy of the database [the CA's database]")
    verify.add_argument(
        "--against", type=Path, action="append", default=[], metavar="FILE", help="a checkpoint, older or newer"
    )
    export = _command(inner, "export", "write the log for other programs; as jsonl, the checkpoint last", _export)
    export.set_defaults(works=AS_OWNER)
    export.add_argument("--format", choices=("jsonl", "ocsf", "syslog"), default="jsonl", help="[jsonl]")
    export.add_argument("--from", type=_entry, default=0, dest="first", metavar="ENTRY", help="the first entry [0]")
    export.add_argument("--resume", type=Path, metavar="FILE", help="go on where the last export with this file ended")
    export.add_argument("-f", "--follow", action="store_true", help="keep following; waits while a syslog is away")
    target = export.add_mutually_exclusive_group()
    target.add_argument("-o", "--output", type=Path, metavar="FILE", help="[standard output]")
    target.add_argument(
        "--to", metavar="ADDRESS", help="a syslog: syslog:///dev/log, syslog://HOST:601, syslogs://HOST"
    )
    prove = _command(inner, "prove", "prove that a certificate is in the log", _prove)
    prove.set_defaults(works=AS_OWNER)
    prove.add_argument("certificate", type=Path, metavar="CERT-FILE")
    prove.add_argument("--cosigned", action="store_true", help="under the newest checkpoint that witnesses signed")
    prove.add_argument("-o", "--output", type=Path, metavar="FILE", help="[standard output]")
    _command(
        inner, "key", "print the log's public keys, which verify proofs and checkpoints, the newest last", _key
    ).set_defaults(works=AS_OWNER)
    check = _command(inner, "verify-proof", "verify a proof; needs no CA", _verify_proof)
    check.add_argument("proof", type=Path, metavar="FILE")
    check.add_argument("--certificate", type=Path, required=True, metavar="CERT-FILE")
    check.add_argument(
        "--log-key", required=True, metavar="KEY", help="the key that ssh-jit-ca log key prints, or a file with it"
    )
    check.add_argument(
        "--witness", action="append", default=[], metavar="KEY", help="the key of a witness that must have signed too"
    )
    check.set_defaults(offline=True)
    forget = _command(inner, "forget", "erase old details that are no longer needed", _forget)
    forget.add_argument("--older-than", required=True, type=_days, metavar="DAYS", help="for example 400d")
    forget.add_argument("--dry-run", action="store_true", help="only show what would be erased")


def _command(commands: Any, name: str, text: str, function: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=function)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _filters(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--person", metavar="WHO", help="only entries about a person: name, e-mail address, provider/address, or id"
    )
    parser.add_argument("--host", metavar="NAME", help="only entries about a host")
    parser.add_argument(
        "--kind", metavar="KIND", help="only entries of a kind: login, ask, decision, grant, certificate …"
    )
    when = "2026-01-31, 2026-01-31T12:00 (UTC, or with its offset: +02:00), or how long ago: 2h, 7d"
    parser.add_argument("--since", type=_moment, metavar="WHEN", help=when)
    parser.add_argument("--until", type=_moment, metavar="WHEN", help="the same")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError("not a number from 1 to 1000000")
    return int(text)


def _entry(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 13:
        raise argparse.ArgumentTypeError("not the number of an entry")
    return int(text)


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isascii() or not number.isdecimal() or len(number) > 5:
        raise argparse.ArgumentTypeError("not a number of days, as 400d")
    return int(number) * 24 * 3600


def _moment(text: str) -> int:
    try:
        if text[:1].isdigit() and text[-1:].islower():
            return int(time.time()) - durations.parse(text)
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (Invalid, ValueError, OverflowError):
        raise argparse.ArgumentTypeError("not a time") from None


def _show(conf: Config, options: argparse.Namespace) -> int:
    entries = cli_tail.newest(cli_tail.asking(conf), options, options.before, options.limit)
    if options.json:
        print(json.dumps({"entries": [wire.encode(entry) for entry in entries]}))
    else:
        print(cli_show.entries(entries))
    return 0


def _verify(conf: Config, options: argparse.Namespace) -> int:
    with contextlib.nullcontext() if options.database is None else owner.as_operator():  # whose file it is
        return _verify_database(conf, options)


def _verify_database(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.log import verification  # noqa: PLC0415 - the other commands start faster without it

    first = files.load_public(conf.key_file("log"))
    own = options.database is None
    if not own and not options.database.is_file():
        raise Invalid("no_database", f"there is no file {options.database}")
    notes = {str(path): _text(path) for path in options.against}
    pinned = PinnedCheckpoint(conf.home)
    if own and (remembered := _remembered(pinned)):
        notes[str(pinned.checkpoint_file)] = remembered
    store = Store(conf.database if own else f"sqlite:///{options.database.resolve()}", read_only=True)
    try:
        keys = Succession.of(first, store)
        began = time.monotonic()
        against = {name: keys.verified(text) for name, text in notes.items()}
        verdict = verification.verify(store, first, against=tuple(against.values()))
    finally:
        store.close()
    if options.json:
        told = {"size": verdict.size, "head": verdict.head.hex(), "erased": verdict.erased}
        told |= {"unlisted": verdict.unlisted, "against": {name: point.size for name, point in against.items()}}
        print(json.dumps({**told, "problems": verdict.problems, "newer": verdict.newer or None}))
    else:
        print(cli_show.verdict(verdict, time.monotonic() - began))
        print(cli_show.held_against(against, pinned.checkpoint_file if own else None))
    if verdict.newer and not verdict.problems:
        raise Invalid(
            "newer_log", verdict.newer, hint="upgrade ssh-jit-ca to the version that wrote it, then verify again"
        )
    return 1 if verdict.problems else 0


def _remembered(pinned: PinnedCheckpoint) -> str:
    """The checkpoint beside the database; one that is damaged is said, and keeps nobody from verifying the log."""
    try:
        return pinned.checkpoint()
    except Failed as error:
        print(error.message, file=sys.stderr)
        return ""


def _export(conf: Config, options: argparse.Namespace) -> int:
    from sshjit_ca.log import export as exporting  # noqa: PLC0415
    from sshjit_ca.operations import log_export  # noqa: PLC0415

    if options.to is not None and options.format != "syslog":
        raise Invalid("bad_usage", "--to sends messages of syslog", hint="--format syslog")
    whole = not (options.resume or options.follow or options.output or options.to)
    output: log_export.Output = log_export.Printed()
    if options.to is not None:
        output = log_export.Sent(options.to, patient=options.follow)
    elif options.output is not None:
        output = log_export.InFile(options.output)
    store = Store(conf.database, read_only=True)
    try:
        if options.format == "jsonl" and whole:
            for line in exporting.jsonl(store, options.first):
                print(line)
        else:
            wish = log_export.Wish(options.format, options.first, options.resume, options.follow)
            log_export.export(store, wish, output)
    finally:
        store.close()
        output.close()
    return 0


def _prove(conf: Config, options: argparse.Namespace) -> int:
    serial, digest = _certificate(options.certificate)
    text = admin_client.call(conf.admin_socket, m.ReadProof(serial, options.cosigned), m.ProofReply).proof
    proof = tlogproof.parse(text)
    first = files.load_public(conf.key_file("log"))
    store = Store(conf.database, read_only=True)
    try:
        head = Succession.of(first, store).verified(proof.note)
    finally:
        store.close()
    tlogproof.check(proof, serial, digest, head)
    if options.output is None:
        sys.stdout.write(text)
    else:
        try:
            with owner.as_operator():
                write_durably(options.output, text.encode("utf-8"), PUBLIC)
        except OSError as error:
            raise Failed("not_written", f"{options.output} cannot be written: {error.strerror}") from None
    return 0


def _key(conf: Config, options: argparse.Namespace) -> int:
    store = Store(conf.database, read_only=True)
    try:
        turns = Succession.of(files.load_public(conf.key_file("log")), store).turns
    finally:
        store.close()
    keys = [checkpoint.verifier_key(conf.origin, succession.raw(key)) for key in turns]
    print(json.dumps({"keys": keys}) if options.json else "\n".join(keys))
    return 0


def _verify_proof(_: None, options: argparse.Namespace) -> int:
    key = options.log_key
    name, public = checkpoint.parse_verifier_key(key if "+" in key else _text(Path(key)).strip())
    serial, digest = _certificate(options.certificate)
    proof = tlogproof.parse(_text(options.proof))
    head = succession.verified(proof.note, public)
    if head.origin != name:
        raise Invalid("not_proved", f"the checkpoint is of the log {head.origin}, and the key is of {name}")
    tlogproof.check(proof, serial, digest, head)
    words = [(witness, verified(proof.note, witness, head)) for witness in map(parse_verifier_key, options.witness)]
    if options.json:
        told = {"serial": serial, "entry": proof.index, "size": head.size, "log": head.origin}
        print(json.dumps(told | {"witnesses": {witness.name: word.time for witness, word in words}}))
    else:
        print(
            f"certificate {serial} is entry {proof.index} of the log {head.origin}, under a head of {head.size} entries"
        )
        for witness, word in words:
            print(f"the witness {witness.name} signed this head, {cli_show.instant(word.time)} UTC by its clock")
    return 0


def _forget(conf: Config, options: argparse.Namespace) -> int:
    before = int(time.time()) - options.older_than
    reply = admin_client.call(conf.admin_socket, m.Forget(before, options.dry_run), m.ForgetReply)
    if options.json:
        print(json.dumps(wire.encode(reply)))
    else:
        print(cli_show.forgotten(reply, dry_run=options.dry_run))
    return 0


def _certificate(path: Path) -> tuple[int, str]:
    """Serial and SHA-256 (hex) of the certificate in a file."""
    certificate, signed, signature = sshcert.parse_line(_text(path).strip())
    return certificate.serial, hashlib.sha256(sshcert.seal(signed, signature)).hexdigest()


def _text(path: Path) -> str:
    try:
        with owner.as_operator():
            raw = path.read_bytes()
        if len(raw) > MAX_FILE:
            raise Invalid("too_large", f"{path} is larger than {MAX_FILE} bytes")
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("no_file", f"{path} cannot be read: {error}") from None
