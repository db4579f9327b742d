"""The form of a request, its preview, and the request itself."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.ask import AskReply
from sshjit.api.explain import ExplainReply
from sshjit.api.hosts import HostView
from sshjit.api.session import LoginView
from sshjit.ca_protocol.explain import Explain
from sshjit.ca_protocol.requests import Ask
from sshjit.errors import SshJitError
from sshjit_web import forms, policy_preview
from sshjit_web.auth import current_login
from sshjit_web.pages.common import blueprint, failed, query, raise_if_signed_out, read, render, to_request
from sshjit_web.pages.requests import request_page
from sshjit_web.services import services

HOSTS_SHOWN = 40
LABELS_SHOWN = 60


@blueprint.get("/requests/new")
def new_request() -> str:
    """The form; a link may fill it in, and then it shows the preview at once."""
    login = current_login()
    return filled(login, forms.read_ask(request.args))


def filled(login: LoginView, form: forms.AskForm) -> str:
    """The form, filled in, with its preview."""
    return _page(login, form, *_preview(login, form)) if form.started else _page(login, form)


@blueprint.post("/requests/new")
def ask() -> AnyResponse | str:
    """Sends the request, or only previews it; shows the outcome."""
    login = current_login()
    form = forms.read_ask(request.form)
    if request.form.get("dry"):
        return _page(login, form, *_preview(login, form))
    preview = None
    try:
        message = form.ask(login.id, request.remote_addr or "")
        preview = preview_request(login, message)
        policy_preview.refuse_early(preview)
        reply = services().ca.call(message, AskReply)
    except SshJitError as error:
        raise_if_signed_out(error)
        return failed(_page(login, form, preview, error), error)
    services().banners.drop(login)
    request_id = reply.request.id
    if not reply.notes and not reply.existing:
        return to_request(request_id)
    return request_page(login, read(login, request_id), notes=reply.notes, existing=reply.existing)


def preview_request(login: LoginView, message: Ask | Explain) -> ExplainReply | None:
    """What policy says to it, by the front end's own copy."""
    ca_cache = services().ca_cache
    return policy_preview.preview(ca_cache.policy(), login, ca_cache.hosts(login.id), message, services().now())


def _preview(login: LoginView, form: forms.AskForm) -> tuple[ExplainReply | None, SshJitError | None]:
    """What would become of the ask: by our own copy of the policy and, unless that is a plain no, by the CA."""
    preview = None
    try:
        message = form.ask(login.id, request.remote_addr or "")
        preview = preview_request(login, message)
        if preview is None or preview.verdict in ("allow", "approval"):
            preview = services().ca.call(forms.explain(message), ExplainReply)
    except SshJitError as error:
        raise_if_signed_out(error)
        return preview, error
    return preview, None


def _page(
    login: LoginView, form: forms.AskForm, preview: ExplainReply | None = None, error: SshJitError | None = None
) -> str:
    ca_cache = services().ca_cache
    known, rules = ca_cache.hosts(login.id), ca_cache.policy()
    search = query("q").lower()[:100]
    matches = [host for host in known if search in _searchable(host)]
    chosen = [host for host in known if host.name in form.hosts and host not in matches[:HOSTS_SHOWN]]
    return render(
        "request_form.html",
        login,
        form=form,
        error=error,
        preview=preview,
        prompt=policy_preview.reason_prompt(rules, preview),
        hosts=chosen + matches[:HOSTS_SHOWN],
        found=len(matches),
        known=len(known),
        search=search,
        labels=sorted({f"{key}={value}" for host in known for key, value in host.labels})[:LABELS_SHOWN],
        actions=rules.actions.values(),
        durations=forms.DURATIONS,
    )


def _searchable(host: HostView) -> str:
    return " ".join([host.name, *host.aliases, host.via, *(f"{key}={value}" for key, value in host.labels)]).lower()
