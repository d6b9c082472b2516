"""OpenAPI: what a document says of answers. Every status, its headers, its body, an example."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from keywright.adapters.answers import ERRORS, INVALID_KEY, JSON, PROBLEM_JSON

TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
_EXAMPLE_TIME = "2025-01-20T10:30:00Z"


class ErrorDetail(BaseModel):
    """Which value was wrong, or what is in the way."""

    member: str | None = Field(default=None, description="The name of the value that is wrong, or missing.")
    existing: str | None = Field(default=None, description="The id of what is in the way.")


class Error(BaseModel):
    """Every error. A 401 has exactly the first three members."""

    model_config = ConfigDict(extra="forbid")

    error: str = Field(description="A code for programs.")
    message: str = Field(description="One sentence for people.")
    timestamp: str = Field(pattern=TIME_PATTERN, examples=[_EXAMPLE_TIME])
    details: list[ErrorDetail] | None = Field(default=None, description="What the message is about, for programs.")
    request_id: str | None = Field(default=None, description="Of a 500: what to look for in the log.")


class Problem(BaseModel):
    """The same as RFC 9457, for callers who rank application/problem+json above application/json."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    timestamp: str = Field(pattern=TIME_PATTERN)


def _header(description: str, pattern: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern, "examples": [example]}
    return {"description": description, "schema": schema, "required": True}


EVERY_ANSWER = {
    "X-Request-Id": _header("The id of this request.", "^req_[0-9a-f]{16}$", "req_4f1c2a9b8d7e6f50"),
    "Cache-Control": _header("Nothing here may be cached.", "^no-store$", "no-store"),
}
RATE = {
    "X-RateLimit-Limit": _header("The limit with the least left.", "^[0-9]+$", "100"),
    "X-RateLimit-Remaining": _header("What is left of it.", "^[0-9]+$", "95"),
    "X-RateLimit-Reset": _header("When its window ends, in Unix seconds.", "^[0-9]+$", "1705749000"),
    "RateLimit-Policy": _header("All limits (IETF draft).", "^.+$", '"100/15m";q=100;w=900'),
    "RateLimit": _header("Where all limits stand (IETF draft).", "^.+$", '"100/15m";r=95;t=600'),
}
_OPTIONAL_RATE = {name: {**header, "required": False} for name, header in RATE.items()}
_RETRY = {"Retry-After": _header("Whole seconds to wait.", "^[1-9][0-9]*$", "1")}
_CHALLENGE = {"WWW-Authenticate": _header("How to authenticate.", "^Bearer ", 'Bearer realm="api"')}
_ALLOW = {"Allow": _header("The methods there are.", "^[A-Z, ]+$", "GET, POST")}

#: Which headers go with which error besides those of every answer; keys without limits have no rate headers.
_ERROR_HEADERS: dict[str, dict[str, Any]] = {
    "UNAUTHORIZED": _CHALLENGE,
    "FORBIDDEN": {**_CHALLENGE, **_OPTIONAL_RATE},
    "RATE_LIMIT_EXCEEDED": {**_RETRY, **RATE},
    "SERVICE_UNAVAILABLE": _RETRY,
    "METHOD_NOT_ALLOWED": {**_ALLOW, **_OPTIONAL_RATE},
    "HEADERS_TOO_LARGE": {},
    "PAYLOAD_TOO_LARGE": _OPTIONAL_RATE,
}
_EXAMPLES = {"UNAUTHORIZED": INVALID_KEY, "RATE_LIMIT_EXCEEDED": "Rate limit exceeded. Try again in 600 seconds."}
#: Any operation that needs a key can end so.
_ALWAYS = ("BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "PAYLOAD_TOO_LARGE", "RATE_LIMIT_EXCEEDED", "HEADERS_TOO_LARGE",
           "INTERNAL_ERROR", "SERVICE_UNAVAILABLE")  # fmt: skip


def error_answer(code: str) -> dict[str, Any]:
    """The description of one error, in both of its forms."""
    status, title = ERRORS[code]
    message = _EXAMPLES.get(code, title + ".")
    flat = {"error": code, "message": message, "timestamp": _EXAMPLE_TIME}
    problem = {"type": "about:blank", "title": title, "status": status, "detail": message, "code": code}
    return {
        "description": f"`{code}`: {title}",
        "headers": {**EVERY_ANSWER, **_ERROR_HEADERS.get(code, _OPTIONAL_RATE)},
        "content": {
            JSON: {"schema": _reference(Error), "example": flat},
            PROBLEM_JSON: {
                "schema": _reference(Problem),
                "example": {**problem, "timestamp": _EXAMPLE_TIME},
            },
        },
    }


def answers(status: int, shape: type[BaseModel] | None, sentence: str, *errors: str) -> dict[int | str, dict[str, Any]]:
    """All answers of an operation: the good one, those every operation has, and those it names."""
    good: dict[str, Any] = {"description": sentence, "headers": {**EVERY_ANSWER, **_OPTIONAL_RATE}}
    if shape is not None:
        good["content"] = {JSON: {"schema": _reference(shape)}}
    codes = sorted({*_ALWAYS, *errors}, key=lambda code: ERRORS[code][0])
    return {status: good, **{ERRORS[code][0]: error_answer(code) for code in codes}}


def body(shape: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The body that an operation takes."""
    return {"requestBody": {"required": required, "content": {JSON: {"schema": _reference(shape)}}}}


def _reference(shape: type[BaseModel]) -> dict[str, str]:
    SHAPES.add(shape)
    return {"$ref": f"#/components/schemas/{component_name(shape)}"}


def component_name(shape: type[BaseModel]) -> str:
    """The name of a shape in the document."""
    return shape.__name__


#: Every shape that was referred to; the document defines them all.
SHAPES: set[type[BaseModel]] = set()


def drop_framework_answers(document: dict[str, Any]) -> None:
    """Take out the 422 that FastAPI adds to each operation with a parameter in its path: any text is one that can be
    read there, and the shape it names is not ours."""
    for operations in document["paths"].values():
        for operation in operations.values():
            unprocessable = operation["responses"].get("422", {})
            if "HTTPValidationError" in str(unprocessable.get("content")):
                del operation["responses"]["422"]


def components() -> dict[str, Any]:
    """The definitions of all shapes, and of the shapes in them."""
    found: dict[str, Any] = {}
    for shape in sorted(SHAPES, key=component_name):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[component_name(shape)] = schema
    return found
