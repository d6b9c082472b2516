"""Our own rules, as functions from source text to what breaks them. `test_code` runs them over the real source, and
over a bad line each, to show that they can fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "keywright"

MAX_FILE_LINES = 500
MAX_BODY_LINES = 60
P90_BODY_LINES = 25

CLOCK_FILE = "clock.py"
ASYNC_PLACES = ("server/", "adapters/")
#: Where HTTP statuses may be written. In the command line these numbers would be exit codes, which have a table.
STATUS_PLACES = ("server/", "adapters/", "reference/")
STATUSES = frozenset({200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 431, 500, 502, 503})
_TIME_METHODS = frozenset({"now", "utcnow", "today"})

#: Third-party library → the files below ``src/keywright`` that may import it. Whoever wants a library elsewhere asks
#: the package that has it, so that each can be replaced in one place.
THIRD_PARTY = {
    "alembic": ("stores/schema/",),
    "asgiref": ("adapters/django.py",),
    "argon2": ("people/passwords.py",),
    "authlib": ("server/oidc/",),
    "cryptography": ("server/gate/token.py",),
    "click": ("cli/",),
    "django": ("adapters/django.py", "adapters/django_rest.py"),
    "fastapi": ("adapters/fastapi.py", "server/", "reference/"),
    "flask": ("adapters/flask.py",),
    "httpx": ("server/oidc/asking.py",),
    "joserfc": ("server/gate/token.py", "server/oidc/"),
    "litestar": ("adapters/litestar.py",),
    "jinja2": ("server/console/",),
    "msgspec": ("values.py",),
    "phonenumbers": ("reference/",),
    "prometheus_client": ("server/metrics.py",),
    "pydantic": ("adapters/fastapi.py", "adapters/openapi.py", "server/api/", "server/gate/api.py", "reference/"),
    "pysqlite3": ("stores/", "cli/doctor.py"),
    "rest_framework": ("adapters/django_rest.py",),
    "rich": ("cli/",),
    "segno": ("server/console/",),
    "sqlalchemy": ("stores/", "reference/"),
    "starlette": ("adapters/fastapi.py", "adapters/starlette.py", "server/", "reference/"),
    "structlog": ("server/log.py",),
    "webauthn": ("people/ceremony.py",),
    "uvicorn": ("server/http.py", "server/serving.py", "server/gate/protocol.py"),
}

#: Sources of randomness that can be foretold, and of ids that are made from time and place.
GUESSABLE = frozenset({"random", "numpy", "uuid"})

#: A refusal in an adapter's docstring.
_STATUS = re.compile(r"\b[45]\d\d\b")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Breach(NamedTuple):
    """One place that breaks a rule."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


Rule: TypeAlias = Callable[[str, str], Iterator[Breach]]


def files(root: Path = SOURCE) -> list[tuple[str, str]]:
    """Every Python file below ``root``: its path from there, and its text."""
    return [(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))]


def breaches(rule: Rule, root: Path = SOURCE) -> list[str]:
    """What breaks ``rule`` below ``root``, one line each."""
    return [str(breach) for file, text in files(root) for breach in rule(file, text)]


def functions(text: str) -> list[Function]:
    """Every function and method, nested ones too."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]


def body_lines(function: Function) -> int:
    """How many lines a function's body has: from its first statement to its end, without the docstring and without
    the functions defined in it, which are counted for themselves."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not statements:
        return 0
    inside = [node for each in statements for node in ast.walk(each) if isinstance(node, Function)]
    outermost = [node for node in inside if not any(_within(node, other) for other in inside)]
    return _length(statements[0], statements[-1]) - sum(_length(node, node) for node in outermost)


def _within(inner: Function, outer: Function) -> bool:
    return inner is not outer and outer.lineno <= inner.lineno and (inner.end_lineno or 0) <= (outer.end_lineno or 0)


def _length(first: ast.stmt, last: ast.stmt) -> int:
    decorated = first.decorator_list if isinstance(first, Function | ast.ClassDef) else []
    start = min([first.lineno, *(each.lineno for each in decorated)])
    return (last.end_lineno or last.lineno) - start + 1


def long_file(file: str, text: str) -> Iterator[Breach]:
    """No file is longer than one can keep in mind."""
    lines = text.count("\n")
    if lines > MAX_FILE_LINES:
        yield Breach(file, lines, f"{lines} lines, at most {MAX_FILE_LINES}")


def long_function(file: str, text: str) -> Iterator[Breach]:
    """No function is longer than one can see."""
    for function in functions(text):
        if body_lines(function) > MAX_BODY_LINES:
            yield Breach(file, function.lineno, f"{function.name} has {body_lines(function)} lines")


def clock(file: str, text: str) -> Iterator[Breach]:
    """Nothing but ``clock.py`` asks what time it is, or waits: everything else can be tested on any day of any year."""
    if file == CLOCK_FILE:
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names) if any(each.name == "time" for each in names):
                yield Breach(file, node.lineno, "imports time")
            case ast.ImportFrom(module="time"):
                yield Breach(file, node.lineno, "imports from time")
            case ast.Attribute(attr=attribute, value=value) if attribute in _TIME_METHODS and _last(value) in {
                "datetime",
                "date",
            }:
                yield Breach(file, node.lineno, f"asks datetime.{attribute}")
            case ast.Attribute(attr="sleep", value=value) if _last(value) in {"time", "asyncio", "anyio"}:
                yield Breach(file, node.lineno, "sleeps")


def status_code(file: str, text: str) -> Iterator[Breach]:
    """HTTP statuses are the edges' business; whoever is below them says what happened, not how it is told."""
    if file.startswith(STATUS_PLACES):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in STATUSES:
            yield Breach(file, node.lineno, f"the status {node.value}")


def asynchronous(file: str, text: str) -> Iterator[Breach]:
    """Only the edges know ``async``: two versions of everything below would be two sources of truth."""
    if file.startswith(ASYNC_PLACES):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield Breach(file, node.lineno, "async")


def undocumented(file: str, text: str) -> Iterator[Breach]:
    """Every module, and every public class, function and method, says what it promises."""
    module = ast.parse(text)
    if text.strip() and ast.get_docstring(module) is None:
        yield Breach(file, 1, "the module has no docstring")
    yield from _undocumented_in(file, module.body)


def _undocumented_in(file: str, body: list[ast.stmt]) -> Iterator[Breach]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield Breach(file, node.lineno, f"{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            yield from _undocumented_in(file, node.body)


def unannounced(file: str, text: str) -> Iterator[Breach]:
    """Every public function names the errors that it raises itself, or its class or module does. An adapter may name
    the status instead; what is caught where it was raised is nobody's business."""
    module = ast.parse(text)
    yield from _unannounced_in(file, module.body, ast.get_docstring(module) or "")


def _unannounced_in(file: str, body: list[ast.stmt], above: str) -> Iterator[Breach]:
    for node in body:
        if not isinstance(node, ast.ClassDef | Function) or (node.name.startswith("_") and node.name != "__init__"):
            continue
        told = above + (ast.get_docstring(node) or "")
        if isinstance(node, ast.ClassDef):
            yield from _unannounced_in(file, node.body, told)
        elif "See `" not in told and not (file.startswith(STATUS_PLACES) and _STATUS.search(told)):
            for error in sorted(_raised(node) - _caught(node)):
                if error not in told:
                    yield Breach(file, node.lineno, f"{node.name} raises {error} and does not say so")


def _raised(function: Function) -> set[str]:
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc is not None]
    return {_last(each.func if isinstance(each, ast.Call) else each) for each in raised}


def _caught(function: Function) -> set[str]:
    kinds = [node.type for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.type is not None]
    return {_last(each) for each in kinds}


def third_party(file: str, text: str) -> Iterator[Breach]:
    """Each library is imported where `THIRD_PARTY` says, and a library that is not in the table nowhere."""
    for node in ast.walk(ast.parse(text)):
        for name in _imported(node):
            if name in THIRD_PARTY and not file.startswith(THIRD_PARTY[name]):
                yield Breach(file, getattr(node, "lineno", 0), f"imports {name}")


def imported_names(text: str) -> set[str]:
    """The top-level names of everything that is imported."""
    return {name for node in ast.walk(ast.parse(text)) for name in _imported(node)}


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [each.name.partition(".")[0] for each in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
        case _:
            return []


def guessable(file: str, text: str) -> Iterator[Breach]:
    """Nothing is random but what the operating system gives (`secrets`): whoever has seen some output of the others
    can work out the rest, keys included."""
    for node in ast.walk(ast.parse(text)):
        for name in _imported(node):
            if name in GUESSABLE:
                yield Breach(file, getattr(node, "lineno", 0), f"imports {name}")


def silent_test(file: str, text: str) -> Iterator[Breach]:
    """Every test says in a docstring which guarantee it protects."""
    for function in functions(text):
        if function.name.startswith("test_") and ast.get_docstring(function) is None:
            yield Breach(file, function.lineno, f"{function.name} has no docstring")


def sleeping_test(file: str, text: str) -> Iterator[Breach]:
    """No test waits for time to pass; only the footing polls real processes."""
    if file.startswith("support/"):
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(attr="sleep", value=value) if _last(value) in {"time", "asyncio", "anyio"}:
                yield Breach(file, node.lineno, "sleeps")
            case ast.ImportFrom(module="time", names=names) if any(each.name == "sleep" for each in names):
                yield Breach(file, node.lineno, "imports sleep")


def _last(value: ast.expr) -> str:
    return value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
