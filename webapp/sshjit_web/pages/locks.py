"""Locks: what is locked, locking more, and ending a grant before its time. Unlocking needs a key, which no page has."""

from __future__ import annotations

from typing import cast, get_args

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.bodies import LockKind
from sshjit.api.locks import LockReply, LocksReply, RevokeReply
from sshjit.api.session import LoginView
from sshjit.ca_protocol.locks import Lock, ReadLocks, Revoke
from sshjit.errors import Invalid, SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint
from sshjit_web.pages.requests import again
from sshjit_web.services import services


@blueprint.get("/locks")
def locks() -> str:
    """The locks, and the form for a new one for people with the permission."""
    return _page(current_login())


@blueprint.post("/locks")
def lock() -> AnyResponse | str:
    """First says what that will do; then locks, and says what it took away."""
    login = current_login()
    try:
        message = _message(login)
        if request.form.get("confirmed") != "yes":
            return common.render("confirm_lock.html", login, message=message)
        done = services().ca.call(message, LockReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_page(login, error=error), error)
    services().banners.drop(login)
    return _page(login, done=done)


@blueprint.post("/requests/<request_id>/revoke")
def revoke(request_id: str) -> AnyResponse | str:
    """First shows once more what will end; then ends it."""
    login = current_login()
    try:
        reason = forms.required(common.text("reason"), "the reason", "give a reason: it is kept in the log")
        if request.form.get("confirmed") != "yes":
            view = common.read(login, request_id).request
            labels = common.hosts_of(login, view)
            return common.render("confirm_revoke.html", login, view=view, reason=reason, labels=labels)
        services().ca.call(Revoke(login.id, request_id, None, None, reason), RevokeReply)
    except SshJitError as error:
        return again(login, request_id, error)
    return common.to_request(request_id)


def _message(login: LoginView) -> Lock:
    kind, target = common.text("kind"), common.text("target")
    if kind not in get_args(LockKind):
        raise Invalid("bad_form_field", "no type of lock is chosen", hint="choose what to lock")
    if kind == "everything":
        target = ""
    else:
        target = forms.required(target, "what to lock", "name the person, the host, the sign-in or the key")
    reason = forms.required(common.text("reason"), "the reason", "give a reason: everybody who is locked out sees it")
    return Lock(login.id, cast("LockKind", kind), target or None, reason)


def _page(login: LoginView, *, done: LockReply | None = None, error: SshJitError | None = None) -> str:
    locks = services().ca.call(ReadLocks(login.id), LocksReply).locks
    names = [host.name for host in services().ca_cache.hosts(login.id)[:300]]
    typed = {name: common.text(name) for name in ("kind", "target", "reason")}
    return common.render(
        "locks.html",
        login,
        locks=locks,
        done=done,
        error=error,
        names=names,
        typed=typed if error is not None else dict.fromkeys(typed, ""),
        locking="lock" in login.permissions,
        unlocking="unlock" in login.permissions,
    )
