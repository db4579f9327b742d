"""The development provider's few pages. They need no script."""

from __future__ import annotations

from flask import render_template_string

from demo.provider.config import Config
from demo.provider.store import SignIn

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · development provider</title>
<style>
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5a6478; --line: #d5dae3; --card: #fff; --back: #f1f3f7;
  --mark: #2957c8; --warn: #8a4b00; --warn-back: #fff3dc }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf2; --soft: #a3adbf; --line: #39414f; --card: #1d222c;
  --back: #12151b; --mark: #8fb0ff; --warn: #ffcf87; --warn-back: #3a2c12 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 26rem; margin: 8vh auto; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px }
h1 { font-size: 1.4rem; margin: 0 0 .25rem }
p { margin: .5rem 0 1rem; color: var(--soft) }
.note { color: var(--warn); background: var(--warn-back); padding: .5rem .75rem; border-radius: 8px; font-size: .9rem }
button { display: block; width: 100%; margin: .5rem 0; padding: .7rem 1rem; text-align: left; font: inherit;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px; cursor: pointer }
button:hover, button:focus-visible { border-color: var(--mark); outline: 2px solid var(--mark) }
button span { display: block; color: var(--soft); font-size: .875rem }
.plain { text-align: center; border-color: transparent; color: var(--soft) }
</style>
</head>
<body><main>
<h1>{{ title }}</h1>
<p class="note">Development provider: a click on a name signs in as that person. Never use it in production.</p>
"""
_SIGN_IN = (
    _FRAME
    + """<p>Sign in to continue to <strong>{{ client }}</strong>.</p>
<form method="post" action="{{ target }}">
<input type="hidden" name="form_token" value="{{ form_token }}">
{% for person in people %}<button name="person" value="{{ person.id }}">{{ person.name }}
<span>{{ person.email }}{% if person.groups %} · {{ person.groups | join(", ") }}{% endif %}</span></button>
{% endfor %}<button class="plain" name="person" value="">Cancel</button>
</form>
</main></body></html>
"""
)
_HOME = (
    _FRAME
    + """{% if person %}<p>You are signed in as <strong>{{ person.name }}</strong> ({{ person.email }}).</p>
<form method="post" action="/sign-out">
<input type="hidden" name="form_token" value="{{ form_token }}">
<button>Sign out here<span>The next sign-in asks again who you are.</span></button>
</form>{% else %}<p>Nobody is signed in in this browser.</p>{% endif %}
</main></body></html>
"""
)
_TROUBLE = _FRAME + "<p>This cannot go on: {{ problem }}</p>\n</main></body></html>\n"


def sign_in(config: Config, client: str, target: str, form_token: str) -> str:
    """The people as buttons. ``target`` is the authorisation request itself, which the form posts to."""
    return render_template_string(
        _SIGN_IN,
        title=f"Sign in at {config.title}",
        client=client,
        target=target,
        form_token=form_token,
        people=config.people.values(),
    )


def home(config: Config, known: SignIn | None, form_token: str) -> str:
    """Who is signed in here, and how to leave."""
    person = known.person if known else None
    return render_template_string(_HOME, title=config.title, person=person, form_token=form_token)


def trouble(config: Config, problem: str) -> str:
    """An error that goes to the person, because the client's address is not to be trusted."""
    return render_template_string(_TROUBLE, title=config.title, problem=problem)
