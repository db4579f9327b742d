"""What needs no sign-in: the bundle and the checkpoint, which are signed and public, and the state of this program."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
from pathlib import Path

from flask import Blueprint, Response, abort, request

from sshjit import host_program, versions
from sshjit.ca_protocol.log import CosignedReply, ReadCosigned, ReadTile, TileReply
from sshjit.ca_protocol.operating import Health, HealthReply
from sshjit.errors import SshJitError
from sshjit_web import errors, security_txt
from sshjit_web.services import services

LOG = logging.getLogger(__name__)

blueprint = Blueprint("public", __name__)
_RELEASE = importlib.metadata.version("ssh-jit")


@blueprint.get("/bundle")
def bundle() -> Response:
    """The signed bundle; 304 for a client that has the newest already."""
    carried = services().ca_cache.bundle(versions.parse(request.headers.get(versions.HEADER)))
    headers = {"ETag": carried.tag, "Cache-Control": "no-cache"}
    if carried.tag in (part.strip() for part in request.headers.get("If-None-Match", "").split(",")):
        return Response(status=304, headers=headers)
    return Response(carried.body, headers=headers, mimetype="application/json")


@blueprint.get(host_program.PATH)
def host_file() -> Response:
    """``ssh-jit-host`` as one file. Who installs it compares its digest with the one that the CA printed."""
    content, digest = _host_program()
    answer = Response(content, headers={"Cache-Control": "no-cache"}, mimetype="application/zip")
    answer.set_etag(digest)
    answer.make_conditional(request)
    return answer


@functools.cache
def _host_program() -> tuple[bytes, str]:
    """The file and its SHA-256, made once of the files that are installed beside this program."""
    spec = importlib.util.find_spec(host_program.PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        abort(404)
    folder = Path(spec.submodule_search_locations[0])
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    content = host_program.build(files, _RELEASE)
    return content, hashlib.sha256(content).hexdigest()


@blueprint.get("/api/v1/version")
def version() -> Response:
    """What this front end and the CA both speak, the oldest that they still serve, and which release this is."""
    services().ca.call(Health(), HealthReply)  # so that the CA said it, also if it is the first that is asked
    said = {"version": services().ca_cache.version, "oldest": versions.OLDEST, "release": _RELEASE}
    return Response(json.dumps(said), mimetype="application/json")


@blueprint.get("/log/checkpoint")
def checkpoint() -> Response:
    """The signed checkpoint over what is durable now; while the CA is away, the newest that a bundle carried."""
    return Response(_checkpoint(), headers={"Cache-Control": "no-cache"}, mimetype="text/plain")


def _checkpoint() -> str:
    """A CA of an older release says none beside the bundle."""
    try:
        newest = services().ca.call(Health(), HealthReply).checkpoint
    except SshJitError:
        newest = ""
    return newest or services().ca_cache.bundle().checkpoint


@blueprint.get("/log/cosigned")
def cosigned() -> Response:
    """The newest checkpoint that witnesses signed, with their lines."""
    note = services().ca.call(ReadCosigned(), CosignedReply).note
    if not note:
        abort(404)
    return Response(note, headers={"Cache-Control": "no-cache"}, mimetype="text/plain")


@blueprint.get("/log/tile/<path:name>")
def tile(name: str) -> Response:
    """A tile or an entry bundle of the log (C2SP tlog-tiles). What is under a name never changes."""
    reply = services().ca.call(ReadTile(f"tile/{name}"), TileReply)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(base64.b64decode(reply.data), headers=headers, mimetype="application/octet-stream")


@blueprint.get(security_txt.PATH)
def report_to() -> Response:
    """To whom weaknesses of this installation are reported (RFC 9116), if its operator says so."""
    known = services().security_txt
    if known is None or services().clock() >= known.expires:
        abort(404)
    return Response(known.text, headers={"Cache-Control": "no-cache"}, content_type="text/plain; charset=utf-8")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether everything that this front end needs is well, and each part by its name: ``ok``, or what is wrong."""
    problems: list[str] = []
    checks = {"front_end_database": "ok", "ca": "ok"}
    try:
        services().store.check()
    except SshJitError as error:
        checks["front_end_database"] = _noted(error)
        problems.append(checks["front_end_database"])
    ready = not problems
    try:
        health = services().ca.call(Health(), HealthReply)
        problems += health.problems
        ready = ready and health.ready
        checks |= {check.name: check.problem or "ok" for check in health.checks}
    except SshJitError as error:
        checks["ca"] = _noted(error)
        problems.append(checks["ca"])
        ready = False
    body = {"ready": ready, "problems": problems, "checks": checks}
    return Response(json.dumps(body), status=200 if ready else 503, mimetype="application/json")


def _noted(error: SshJitError) -> str:
    """What anybody may know of a problem; the log has the rest."""
    errors.reference(error)
    return error.message
