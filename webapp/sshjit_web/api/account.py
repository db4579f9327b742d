"""Signing in and out, who one is, something fresh to sign, and the log."""

from __future__ import annotations

from flask import Response, request

from sshjit import wire
from sshjit.api.log import LogReply
from sshjit.api.sign_in import ChallengeReply, LoggedIn, LoginBody, WorkloadBody
from sshjit.ca_protocol.log import ReadLog
from sshjit.ca_protocol.logins import LoginNative, LoginReply, LoginWorkload, ReadChallenge
from sshjit_web.api.json_io import (
    MAX_PAGE,
    address,
    answer,
    bearer,
    blueprint,
    body,
    carried,
    limit,
    login_id,
    no_body,
    nothing,
    number,
)
from sshjit_web.services import services


@blueprint.post("/login")
def login() -> Response:
    """A command line signs in with an ID token bound to its key."""
    message = wire.fill(LoginNative, body(LoginBody), address=address())
    made = services().ca.call(message, LoginReply).login
    token = services().sessions.open("api", made)
    return answer(LoggedIn(token, made), 201)


@blueprint.post("/login/workload")
def login_workload() -> Response:
    """A job or a machine signs in with a token that was made for its key; the CA checks it."""
    message = wire.fill(LoginWorkload, body(WorkloadBody), address=address())
    made = services().ca.call(message, LoginReply).login
    token = services().sessions.open("api", made)
    return answer(LoggedIn(token, made), 201)


@blueprint.post("/logout")
def logout() -> Response:
    """Ends the token's login."""
    no_body()
    services().sessions.end("api", bearer())
    return nothing()


@blueprint.get("/whoami")
def whoami() -> Response:
    """The token's login."""
    return answer(services().sessions.login("api", bearer()))


@blueprint.post("/challenge")
def challenge() -> Response:
    """Something fresh to sign, for acts that need a signature."""
    no_body()
    return carried(ReadChallenge(login_id()), ChallengeReply, status=201)


@blueprint.get("/log")
def log() -> Response:
    """A page of the log; with ``person`` only what is about somebody."""
    message = ReadLog(login_id(), number("before"), limit(MAX_PAGE), person=request.args.get("person") or None)
    return carried(message, LogReply)
