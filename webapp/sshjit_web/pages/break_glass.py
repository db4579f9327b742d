"""Emergency access (break-glass): past the normal rules, at once, with notifications and a review afterwards."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.ask import AskReply
from sshjit.api.session import LoginView
from sshjit.errors import Invalid, SshJitError
from sshjit.policy import Policy
from sshjit.policy.model import BREAK_GLASS_REASON, AllowRule
from sshjit.policy.owners import written_out
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint
from sshjit_web.services import services

NAMES_SHOWN = 300
"""Host names that are offered while somebody types; any other may be typed in full."""


@blueprint.get("/break-glass")
def break_glass() -> str:
    """The form, with what it will cause."""
    return filled(current_login(), forms.read_ask(request.args))


def filled(login: LoginView, form: forms.AskForm) -> str:
    """The form, filled in but for the confirmation."""
    return _page(login, form)


@blueprint.post("/break-glass")
def take() -> AnyResponse | str:
    """Takes the access, once the host's name was typed a second time."""
    login, form = current_login(), forms.read_ask(request.form)
    try:
        _check(form)
        message = form.ask(login.id, request.remote_addr or "", break_glass=True)
        reply = services().ca.call(message, AskReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_page(login, form, error), error)
    services().banners.drop(login)
    return common.to_request(reply.request.id)


def _check(form: forms.AskForm) -> None:
    """One host, a reason that says something, and the host's name once more. Raises ``Invalid``."""
    if len(form.hosts) != 1:
        raise Invalid("bad_form_field", "no host is named", hint="type the name of one host")
    if len(form.reason) < BREAK_GLASS_REASON:
        raise Invalid(
            "bad_form_field",
            f"the reason is shorter than {BREAK_GLASS_REASON} characters",
            hint="say what the emergency is: reviewers see it",
        )
    if common.text("again") != form.hosts[0]:
        raise Invalid(
            "bad_form_field",
            "the two names of the host are not the same",
            hint="type the host's name a second time, to confirm",
        )


def _page(login: LoginView, form: forms.AskForm, error: SshJitError | None = None) -> str:
    ca_cache = services().ca_cache
    rules = ca_cache.policy()
    return common.render(
        "break_glass.html",
        login,
        form=form,
        error=error,
        mine=_mine(rules, login),
        reviewers=rules.permissions.get("review", ()),
        shortest=BREAK_GLASS_REASON,
        names=[host.name for host in ca_cache.hosts(login.id)[:NAMES_SHOWN]],
    )


def _mine(rules: Policy, login: LoginView) -> list[AllowRule]:
    """The break-glass rules that are for one of this person's roles."""
    return [
        rule
        for rule in rules.break_glass
        if not set(login.roles).isdisjoint(written_out(rules.owners, rule.match.roles or ()))
    ]
