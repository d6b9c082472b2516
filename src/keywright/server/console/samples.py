"""What a key can be tried with, ready to be pasted."""

from __future__ import annotations

from collections.abc import Sequence

from keywright.record import FULL_ACCESS, missing_scopes
from keywright.server.console.ask import Ask

#: The key itself stands in none of them: whoever copies a sample spreads no key.
_SAMPLES = {
    "curl": 'curl "URL" \\\n  -H "X-API-Key: $VARIABLE"',
    "python": (
        "import os, requests\n\n"
        'answer = requests.get(\n    "URL",\n    headers={"X-API-Key": os.environ["VARIABLE"]},\n)\n'
        "print(answer.status_code, answer.json())"
    ),
    "node": (
        'const answer = await fetch("URL", {\n  headers: { "X-API-Key": process.env.VARIABLE },\n});\n'
        "console.log(answer.status, await answer.json());"
    ),
}
#: This server's own routes that can be asked with nothing but a key, by the scope that each asks for.
_ROUTES = {
    "account:read": "/v1/account",
    "keys:read": "/v1/account/api-keys",
    "subscriptions:read": "/v1/subscriptions",
    "campaigns:read": "/api/campaigns",
    "usage:read": "/v1/account/usage",
}


def samples(ask: Ask, scopes: Sequence[str] = (FULL_ACCESS,)) -> dict[str, str]:
    """By language, for a key with these scopes; empty where nothing is known that would answer it."""
    address = _own(ask, scopes) if ask.place.sample_url is None else ask.place.sample_url
    if not address:
        return {}
    variable = ask.place.variable
    return {name: text.replace("URL", address).replace("VARIABLE", variable) for name, text in _SAMPLES.items()}


def _own(ask: Ask, scopes: Sequence[str]) -> str:
    open_to_it = (path for scope, path in _ROUTES.items() if not missing_scopes(tuple(scopes), (scope,)))
    path = next(open_to_it, "")
    return path and ask.origin.url + path
