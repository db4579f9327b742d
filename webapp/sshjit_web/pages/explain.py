"""Why somebody gets access, or not: what every rule says to a request that nobody makes."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.explain import ExplainReply
from sshjit.api.session import LoginView
from sshjit.errors import SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint, query
from sshjit_web.services import services

RULES_SHOWN = 40
"""Rules on a page; the one that decides is on top of every page."""


@blueprint.get("/explain")
def explain() -> AnyResponse | str:
    """The question in the address, and its answer. Nothing is recorded, so a link to an explanation is harmless."""
    login, form = current_login(), forms.read_ask(request.args)
    person, glass = query("person"), query("break_glass") == "yes"
    if not form.started:
        return _page(login, form, person, glass=glass)
    try:
        message = forms.explain(form.ask(login.id, request.remote_addr or "", break_glass=glass), person or None)
        reply = services().ca.call(message, ExplainReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_page(login, form, person, glass=glass, error=error), error)
    return _page(login, form, person, glass=glass, reply=reply)


def _page(
    login: LoginView,
    form: forms.AskForm,
    person: str,
    *,
    glass: bool,
    reply: ExplainReply | None = None,
    error: SshJitError | None = None,
) -> str:
    first = common.number("from") or 0
    count = 0 if reply is None else len(reply.rules)
    return common.render(
        "explain.html",
        login,
        form=form,
        person=person,
        glass=glass,
        reply=reply,
        rules=() if reply is None else reply.rules[first : first + RULES_SHOWN],
        count=count,
        first=first,
        later=first + RULES_SHOWN if first + RULES_SHOWN < count else None,
        asked={name: values for name, values in request.args.lists() if name != "from"},
        error=error,
        others="explain" in login.permissions,
        actions=services().ca_cache.policy().actions.values(),
    )
