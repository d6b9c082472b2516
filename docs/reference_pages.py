"""The reference pages, made from the code: settings, commands, errors, routes and scopes, the library."""

from __future__ import annotations

import inspect
import re
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import keywright
from keywright.adapters import answers
from keywright.cli.main import cli
from keywright.cli.output import ExitCode
from keywright.manage.values import KNOWN_SCOPES
from keywright.reason import Reason
from keywright.server.app import build_api, openapi_document
from keywright.server.counts import BUCKET_SECONDS, TABLE as METRICS, Kind
from keywright.server.edge import ALIAS, ALIAS_OF
from keywright.server.gate.gate import PATH as GATE_PATH
from keywright.server.gate.token import JWKS_PATH
from keywright.server.metrics import BUILD_INFO, BUILD_SENTENCE
from keywright.settings import TABLE, load

#: What to do about each error. A code without a line here stops the generator.
ADVICE = {
    "BAD_REQUEST": "Two different keys were sent, the body is not JSON as it is taken here, or a member is missing.",
    "UNAUTHORIZED": "No key, or no good key. One of the three messages below.",
    "FORBIDDEN": "The key is good and may not do this: the message names the scope, or says that the key is bound to "
    "other networks, or of another environment. Nothing is wrong with the key itself; do not throw it away.",
    "NOT_FOUND": "No such path, or no such thing in the account of the key. Another account's things look the same.",
    "METHOD_NOT_ALLOWED": "`Allow` names the methods there are.",
    "REQUEST_TIMEOUT": "Send the request faster, or smaller; the connection is closed.",
    "CONFLICT": "Done before, or not in a state that allows it. `details` names what is in the way.",
    "PAYLOAD_TOO_LARGE": "Send less.",
    "UNSUPPORTED_MEDIA_TYPE": "Send `Content-Type: application/json`.",
    "VALIDATION_ERROR": "`details` names the value that is not allowed, the message says what is.",
    "RATE_LIMIT_EXCEEDED": "Wait for `Retry-After` seconds. The refused request cost nothing.",
    "HEADERS_TOO_LARGE": "Send fewer or shorter headers.",
    "INTERNAL_ERROR": "A bug of ours. Tell the operator the `request_id`.",
    "SERVICE_UNAVAILABLE": "The store, the disk or the counters cannot answer. Try again after `Retry-After` seconds. "
    "It says nothing about the key: keep it.",
}
REASONS = {
    Reason.MALFORMED: "Not the shape of any key format, or a checksum or tag that cannot be ours.",
    Reason.UNKNOWN: "The shape of a key, but no such key: never made, or deleted.",
    Reason.DISABLED: "Disabled until somebody enables it.",
    Reason.EXPIRED: "Its time is over.",
    Reason.NETWORK: "Used from outside its networks.",
    Reason.ENVIRONMENT: "Of another environment than the one asked for.",
    Reason.RATE_LIMITED: "Its limit is used up.",
    Reason.SCOPE: "It lacks a scope; `missing` names it.",
}
EXIT_CODES = {
    ExitCode.OK: "Done.",
    ExitCode.ERROR: "The machine: database, disk, settings (`SERVICE_UNAVAILABLE`, `MISCONFIGURED`); or `doctor` found "
    "something wrong.",
    ExitCode.USAGE: "A wrong option or value (`USAGE`, `VALIDATION_ERROR`), or nobody there to confirm.",
    ExitCode.NOT_FOUND: "No such key or account (`NOT_FOUND`).",
    ExitCode.FORBIDDEN: "Not allowed (`FORBIDDEN`, `UNAUTHORIZED`).",
    ExitCode.KEY_NOT_VALID: "`verify`: the key may not pass.",
    ExitCode.CONFLICT: "Several keys match, or it was done before (`CONFLICT`).",
    ExitCode.INTERRUPTED: "Interrupted, or the question was answered with no (`INTERRUPTED`).",
}
SCOPES = {
    "*": "Everything but `operator`.",
    "account:read": "Show the account.",
    "campaigns:read": "List campaigns.",
    "campaigns:trigger": "Trigger a campaign.",
    "campaigns:write": "Create and deploy campaigns.",
    "keys:read": "List and show keys.",
    "keys:write": "Create, change, rotate and delete keys, never beyond the rights of the calling key.",
    "operator": "Make links to the portal of any other account. With `verify` besides: ask about the keys of every "
    "account, not of its own alone. In the library: make, list and change accounts, and manage the keys of each. Only "
    "keys of the operator's account can have it, and `*` does not include it.",
    "subscriptions:read": "List subscriptions.",
    "subscriptions:write": "Add subscriptions.",
    "usage:read": "Report usage.",
    "verify": "Ask whether a key may pass, as a gateway or a service in another language does.",
}
OPEN_ROUTES = {
    "/healthz": "This process answers.",
    "/readyz": "This process can verify and change keys; 503 if the store does not answer. `usage` says whether the "
    "last usage could be written. Up to a second old.",
    "/help": "What to do when a key does not work, as plain text.",
    "/openapi.json": "The OpenAPI 3.1 document of what is below.",
    "/": "Name, version and these addresses.",
}
#: What `build_api` does not have: it is answered before any framework, or only with some settings.
GATE_ROUTES = (
    (f"`GET {GATE_PATH}`", "Whether the request in these headers may pass. For proxies that may ask."),
    (f"`GET {GATE_PATH}/{{route}}`", "The same, with all that `gate_routes` asks of a key on that route."),
    (f"`GET {JWKS_PATH}`", "What `X-Auth-Token` is checked with, a JWK set, for everybody. 404 unless tokens are on."),
)  # fmt: skip
#: What people build with, besides the public names.
MORE_OF_THE_LIBRARY = (
    ("keywright.verify", "Verifier"),
    ("keywright.manage.manager", "Manager"),
    ("keywright.manage.manager", "Created"),
    ("keywright.manage.manager", "Listed"),
    ("keywright.record", "KeyRow"),
    ("keywright.stores.base", "Account"),
    ("keywright.errors", "ActFault"),
    ("keywright.errors", "NotFound"),
    ("keywright.errors", "Conflict"),
    ("keywright.errors", "InvalidValue"),
    ("keywright.errors", "Forbidden"),
    ("keywright.errors", "CallerRefused"),
    ("keywright.limits.base", "Kind"),
    ("keywright.limits.base", "LimitState"),
    ("keywright.adapters.asgi", "KeyAuth"),
    ("keywright.adapters.guard", "Caller"),
    ("keywright.adapters.guard", "Wanted"),
    ("keywright.adapters.fastapi", "install_errors"),
    ("keywright.adapters.fastapi", "require_scope"),
    ("keywright.adapters.fastapi", "require_key"),
    ("keywright.adapters.starlette", "caller_of"),
    ("keywright.adapters.starlette", "require_key"),
    ("keywright.adapters.starlette", "install_errors"),
    ("keywright.adapters.starlette", "KeyBackend"),
    ("keywright.adapters.litestar", "KeyAuthPlugin"),
    ("keywright.adapters.litestar", "require_key"),
    ("keywright.adapters.wsgi", "KeyAuth"),
    ("keywright.adapters.flask", "KeyAuth"),
    ("keywright.adapters.flask", "require_key"),
    ("keywright.adapters.django", "KeyAuthMiddleware"),
    ("keywright.adapters.django", "require_key"),
)


def pages() -> dict[str, str]:
    """Every page by its name."""
    return {
        "settings.md": settings(),
        "commands.md": commands(),
        "errors.md": errors(),
        "api.md": api(),
        "library.md": library(),
        "metrics.md": metrics(),
    }


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table."""
    cells = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *(f"| {each} |" for each in cells), ""]


def metrics() -> str:
    """The page of what a server counts."""
    build = (f"`{BUILD_INFO}`", Kind.SUM, "`version`, `python`, `sqlite`", BUILD_SENTENCE)
    rows = [
        (f"`{each.name}`", str(each.kind), "; ".join(f"`{name}`: {', '.join(values)}" for name, values in each.labels),
         each.sentence)
        for each in METRICS
    ]  # fmt: skip
    return "\n".join([
        "# Metrics",
        "",
        "What a server shows at `/metrics` on [`metrics_port`](settings.md), in the text format of Prometheus.",
        "Counters hold what all processes of the server have counted since it was started, also those that have ended",
        "since; a gauge is at most a second or two old. No metric names a key, an account or an address. See",
        "[Run in production](../howto/run-in-production.md).",
        "",
        *table(("metric", "kind", "labels and their values", "what it is"), [build, *rows]),
        f"The buckets of histograms end at {', '.join(f'{each:g}' for each in BUCKET_SECONDS)} seconds.",
        "",
    ])  # fmt: skip


def settings_table(prefix: str = "") -> list[str]:
    """The settings whose names begin with ``prefix``."""
    rows = [
        (f"`{each.name}`", f"`{each.variable}`", each.kind, f"`{each.default!r}`" if each.default is not None else "",
         each.sentence)
        for each in TABLE if each.name.startswith(prefix)
    ]  # fmt: skip
    return table(("name", "environment", "value", "default", "what it does"), rows)


def settings() -> str:
    """The settings page."""
    return "\n".join([
        "# Settings",
        "",
        "A value comes from a flag of the command line, else from the environment, else from the file",
        "`keywright.toml` in the working directory (or the one that `KEYWRIGHT_CONFIG` names), else from the default.",
        "`keywright doctor` shows every value in force and where it came from. A name in the file that is not in this",
        "table, or a value that cannot be used, stops the start and says so.",
        "",
        *settings_table(),
    ])  # fmt: skip


def commands() -> str:
    """The page of the command line."""
    lines = [
        "# Commands",
        "",
        "All commands but `serve` work on the data directory, also while a server runs on it. Data goes to standard",
        "output, everything else to standard error. `--json` prints JSON, also for an empty list (`[]`) and for errors",
        "(on standard error, in the shape the API uses). Where output is piped, tables are tab-separated lines.",
        "",
        *table(("exit code", "when"), [(str(int(code)), EXIT_CODES[code]) for code in ExitCode]),
    ]
    for path, command in walk(cli, "keywright"):
        lines += _command(path, command)
    return "\n".join(lines)


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, groups before their members."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None  # noqa: S101 - the group has just named it
            yield from walk(found, f"{path} {name}")


def _command(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path, terminal_width=200)
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"## {path}", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```", ""]
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    rows = [_option(each, context) for each in options]
    return [*lines, *table(("option", "what it does"), rows)]


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    again = " May be given several times." if option.multiple else ""
    default = f" Default: {option.default}." if option.show_default else ""
    return f"{names}{value}", f"{option.help}{again}{default}"


def _document() -> tuple[FastAPI, Any]:
    """The API of an installation as it is at first, and its OpenAPI document."""
    with tempfile.TemporaryDirectory() as directory:
        opened = keywright.Keywright(load({"data_dir": str(Path(directory) / "data")}, environment={}))
        app = build_api(opened)
        document = openapi_document(app, opened)
        opened.close()
    return app, document


def errors() -> str:
    """The page of everything that can go wrong."""
    shapes = _document()[1]["components"]["schemas"]
    codes = [(f"`{code}`", str(status), ADVICE[code]) for code, (status, _) in answers.ERRORS.items()]
    reasons = [(f"`{reason}`", REASONS[reason]) for reason in Reason]
    return "\n".join([
        "# Errors",
        "",
        "Every error of the API has the same flat body, and may add `details` and `request_id`:",
        "",
        "```json",
        '{"error":"UNAUTHORIZED","message":"' + answers.INVALID_KEY + '","timestamp":"2025-01-20T10:30:00Z"}',
        "```",
        "",
        *_shape(shapes["Error"]),
        "`details` is a list of objects. Each has one of these members, as the error asks for it:",
        "",
        *_shape(shapes["ErrorDetail"]),
        "Callers that rank `application/problem+json` above `application/json` in `Accept` get the same as RFC 9457.",
        "",
        *table(("code", "status", "what to do"), codes),
        "## The messages of a 401",
        "",
        "Always one of these three. Which one depends on the path and on the text that was sent, on nothing that is",
        "stored: a deleted key cannot be told from one that never was.",
        "",
        *table(("message", "when"), [
            (answers.MISSING_KEY, "No key, or an empty one."),
            (answers.INVALID_KEY, "It starts as keys do here, and is not a good key (any more)."),
            (answers.WRONG_PREFIX.format(prefix="…"), "It does not start as keys do here."),
        ]),
        "## Why a key is refused",
        "",
        "What `keywright verify` prints, and what `Refused.reason` holds in the library. Over HTTP the first four are",
        "one and the same 401.",
        "",
        *table(("reason", "when"), reasons),
    ])  # fmt: skip


def api() -> str:
    """The page of the routes."""
    app, document = _document()
    scopes = {(method, path): scope for method, path, scope in routes(app)}
    open_routes = [(f"`GET {path}`", OPEN_ROUTES[path]) for method, path, scope in routes(app) if scope is None]
    lines = [
        "# API",
        "",
        f"Every path under `{ALIAS_OF}` is also under `{ALIAS}`. `HEAD` is answered like `GET`. `GET /openapi.json` is",
        "the same as a document for programs. Every answer has `X-Request-Id`, `Cache-Control: no-store` and",
        "`X-Content-Type-Options: nosniff`; with a good key also the [rate headers](../concepts/limits.md). Errors are",
        "on [a page of their own](errors.md).",
        "",
        "## Without a key",
        "",
        *table(("route", "answers"), open_routes),
        "## For proxies",
        "",
        "Any method will do, and no body is looked at. What goes in and comes out: [the gate](../concepts/gate.md).",
        "",
        *table(("route", "answers"), GATE_ROUTES),
        "## Scopes",
        "",
        *table(("scope", "what it allows"), [(f"`{scope}`", SCOPES[scope]) for scope in KNOWN_SCOPES]),
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _operation(method.upper(), path, operation, scopes[method.upper(), path], document)
    lines += ["# Types", "", "Everything that has a name above.", ""]
    for name in sorted(document["components"]["schemas"]):
        shape = document["components"]["schemas"][name]
        lines += [f"## {name}", "", shape["description"].replace("``", "`"), "", *_shape(shape)]
    return "\n".join(lines)


def routes(app: FastAPI) -> Iterator[tuple[str, str, str | None]]:
    """Method, path and scope of every route; the scope is None where no key is needed."""
    for route in _api_routes(app.routes):
        for method in sorted(route.methods or ()):
            yield method, route.path, _scope(route.dependant)


def _api_routes(found: Any) -> Iterator[APIRoute]:
    for route in found:
        if isinstance(route, APIRoute):
            yield route
        elif included := getattr(route, "original_router", None):
            yield from _api_routes(included.routes)


def _scope(dependant: Dependant) -> str | None:
    """The scope that a route asks for: what its dependency was made with."""
    for each in dependant.dependencies:
        if each.call is not None and "require_key" in each.call.__qualname__:
            scope: str = inspect.getclosurevars(each.call).nonlocals["wanted"].scopes[0]
            return scope
    return None


def _operation(method: str, path: str, operation: Any, scope: str | None, document: Any) -> list[str]:
    lines = [f"## {method} {path}", "", operation["description"], "", f"Scope: `{scope}`.", ""]
    parameters = [
        (f"`{each['name']}`", each["in"], _type(each["schema"]), each.get("description", ""))
        for each in operation.get("parameters", ())
    ]
    if parameters:
        lines += table(("parameter", "in", "type", "what it is"), parameters)
    if "requestBody" in operation:
        needed = "" if operation["requestBody"]["required"] else " (may be left out)"
        lines += [f"Body{needed}:", "", *_members(operation["requestBody"], document)]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            lines += [f"Answers {status}: {answer['description']}", "", *_members(answer, document)]
    refused = sorted(status for status in operation["responses"] if not status.startswith("2"))
    return [*lines, f"Or: {', '.join(refused)}.", ""]


def _members(where: Any, document: Any) -> list[str]:
    content = where.get("content", {}).get(answers.JSON)
    if not content:
        return []
    return _shape(document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]])


def _shape(shape: Any) -> list[str]:
    required = shape.get("required", ())
    rows = [
        (f"`{name}`", _type(member) + (", required" if name in required else ""), member.get("description", ""))
        for name, member in shape["properties"].items()
    ]
    return table(("member", "type", "what it is"), rows)


def _type(schema: Any) -> str:
    """A type in words."""
    if "$ref" in schema:
        name = str(schema["$ref"].rpartition("/")[2])
        return f"[{name}](api.md#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = [f"{word} {schema[name]:,}" for name, word in (("minimum", "from"), ("maximum", "to")) if name in schema]
    return " ".join([str(schema.get("type", "any")), *bounds])


def library() -> str:
    """The page of the public names."""
    lines = ["# Library", "", "What `from keywright import …` has.", ""]
    for name in sorted(set(keywright.__all__) - {"__version__"}):
        lines += _described(f"keywright.{name}", getattr(keywright, name))
    lines += ["# Further names", "", "What the public names hand out, and what adapters are made of.", ""]
    for module, name in MORE_OF_THE_LIBRARY:
        lines += _described(f"{module}.{name}", getattr(import_module(module), name))
    lines += ["# The version", "", f"`keywright.__version__` is `{keywright.__version__!r}`.", ""]
    return "\n".join(lines)


def _described(name: str, thing: Any) -> list[str]:
    if not inspect.isclass(thing) and not inspect.isfunction(thing):
        return [f"## {name}", "", f"The same as `{_unqualified(str(thing))}`.", ""]
    made_by_callers = not (inspect.isclass(thing) and issubclass(thing, Enum | Exception))
    call = ["```text", f"{name.rpartition('.')[2]}{_signature(thing)}", "```", ""] if made_by_callers else []
    lines = [f"## {name}", "", *call, *_prose(thing)]
    if not inspect.isclass(thing):
        return lines
    if issubclass(thing, str):
        return [*lines, ", ".join(f"`{each.name}`" for each in thing), ""]  # type: ignore[attr-defined]
    for method_name, method in vars(thing).items():
        function = inspect.unwrap(getattr(method, "__func__", method))
        if inspect.isfunction(function) and function.__doc__ and not method_name.startswith(("_", "after_fork")):
            lines += [f"### {method_name}", "", "```text", f"{method_name}{_signature(function)}", "```", ""]
            lines += _prose(function)
    return lines


class _Raw:
    """A text that stands in a signature as it is."""

    def __init__(self, text: str) -> None:
        self._text = _unqualified(text)

    def __repr__(self) -> str:
        return self._text


def _signature(thing: Any) -> str:
    signature = inspect.signature(thing)
    kept = [_shown(each) for each in signature.parameters.values() if each.name not in ("self", "cls")]
    return _unqualified(str(signature.replace(parameters=kept, return_annotation=_annotation(signature))))


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if default is not inspect.Parameter.empty and not isinstance(default, int | float | str | tuple | None):
        default = _Raw("…")
    return parameter.replace(annotation=_annotation(parameter), default=default)


def _annotation(of: inspect.Parameter | inspect.Signature) -> Any:
    found = of.annotation if isinstance(of, inspect.Parameter) else of.return_annotation
    return _Raw(found) if isinstance(found, str) else found


def _unqualified(text: str) -> str:
    return re.sub(r"\b(?:[a-z_]+\.)+([A-Za-z_]+)", r"\1", text)


def _prose(thing: Any) -> list[str]:
    """A docstring as Markdown: its sections become lists."""
    text = inspect.getdoc(thing) or ""
    text = text.replace("``", "`")
    head, *rest = re.split(r"^(Args|Attributes|Raises):\n", text, flags=re.MULTILINE)
    lines = [head.strip(), ""]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        entries = re.split(r"\n(?=\S)", textwrap.dedent(body.split("\n\n")[0]).strip("\n"))
        bullets = ["- `{}`: {}".format(*" ".join(each.split()).split(": ", 1)) for each in entries]
        after = [piece for piece in body.split("\n\n")[1:] if piece.strip()]
        lines += [f"{title}:", "", *bullets, "", *after, *([""] if after else [])]
    return lines
