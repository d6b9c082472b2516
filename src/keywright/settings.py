"""All settings, as one table. A value comes from a flag, else the environment, else the file, else the default."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keywright import colour, links
from keywright.errors import Misconfigured
from keywright.key import BUILT_IN_FORMATS, KeyFormat
from keywright.limits.base import parse_limits
from keywright.provider import INVITED_ONLY, parse_domains, parse_issuer, parse_new_members
from keywright.record import Network, network_around, parse_network
from keywright.route import BUILT_IN_ROUTES, Route, parse_route

SETTINGS_FILE = "keywright.toml"
ENVIRONMENT_PREFIX = "KEYWRIGHT_"
#: Of a secret that a person makes up.
LEAST_SECRET_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        kind: what a value looks like, for people.
        default: as it would be written in the file; None for "not set".
        parse: makes the value from what a file or an environment variable holds. ValueError says what is wrong.
        secret: whether it is never shown.
    """

    name: str
    kind: str
    default: Any
    sentence: str
    parse: Callable[[Any], Any]
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value.strip()


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser().absolute()


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError("must be text, or a list of texts")
    return tuple(value)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(each for each in _texts(value) if each)


def _limits(value: Any) -> tuple[str, ...]:
    if value == "none":
        return ()
    texts = _texts(value)
    parse_limits(texts)
    return texts


def _level(value: Any) -> str:
    if str(value).lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return str(value).lower()


def _public_url(value: Any) -> str:
    parts = urlsplit(_text(value).rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError("must be a scheme and a host, such as https://keys.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _networks(value: Any) -> tuple[Network, ...]:
    return tuple(_network(text) for text in _texts(value) if text)


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError:
        meant = network_around(text)
        hint = f"; its network is {meant}" if meant else " such as 10.0.0.0/8"
        raise ValueError(f"{text[:80]!r} is not a network{hint}") from None


def _structured(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None


def _formats(value: Any) -> tuple[KeyFormat, ...]:
    tables = _structured(value)
    if not isinstance(tables, list | tuple) or not all(isinstance(each, dict) for each in tables):
        raise ValueError("must be a list of tables")
    own = tuple(_format(each) for each in tables)
    names = {each.name for each in own}
    return (*(each for each in BUILT_IN_FORMATS if each.name not in names), *own)


def _format(value: dict[str, Any]) -> KeyFormat:
    try:
        made = KeyFormat(**value)
    except TypeError:
        raise ValueError(
            f"a key format has name and prefix and no member that is not known; this one has: {', '.join(value)}"
        ) from None
    if not isinstance(made.environments, dict):
        raise ValueError("environments of a key format is a table such as {live = 'sk_live_'}")
    texts = (made.name, made.prefix, *made.environments.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("name, prefix and environments of a key format are texts")
    if type(made.tail_characters) is not int or type(made.checksum) is not bool:
        raise ValueError("tail_characters of a key format is a whole number, checksum is true or false")
    return made if made.rate_limit is None else replace(made, rate_limit=_limits(made.rate_limit))


def _surfaces(value: Any) -> dict[str, str]:
    surfaces = _structured(value)
    if not isinstance(surfaces, dict):
        raise ValueError("must be a table of path = prefix")
    for path, prefix in surfaces.items():
        if not re.fullmatch(r"/[\w./-]*", path) or not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", str(prefix)):
            raise ValueError(f"{path!r} = {prefix!r} is not a path and a prefix")
    return {path.rstrip("/"): prefix for path, prefix in surfaces.items()}


def _routes(value: Any) -> dict[str, Route]:
    tables = _structured(value)
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise ValueError("must be a table of tables, one for each route")
    built_in = {route.name: route for route in BUILT_IN_ROUTES}
    return built_in | {name: parse_route(name, members) for name, members in tables.items()}


def _secret(value: Any) -> str:
    if not isinstance(value, str) or len(value) < LEAST_SECRET_CHARACTERS or not value.isascii():
        raise ValueError(f"must be at least {LEAST_SECRET_CHARACTERS} ASCII characters")
    return value


def _accent(value: Any) -> tuple[str, str]:
    return colour.pair(_texts(value))


TABLE: tuple[Setting, ...] = (
    Setting("host", "address", "127.0.0.1", "Address to listen on.", _text),
    Setting("port", "number", 8460, "Port to listen on.", _whole(1, 65535)),
    Setting("data_dir", "path", "data", "Directory of the database, the counters and the master secret.", _path),
    Setting("workers", "number", 1, "How many processes serve.", _whole(1, 64)),
    Setting("tls_cert", "path", None, "Certificate chain (PEM); with tls_key, serves https.", _path),
    Setting("tls_key", "path", None, "Private key of tls_cert (PEM).", _path),
    Setting(
        "master_secret",
        "text",
        None,
        "The master secret itself, one `version:hex` a line; prefer a file.",
        _text,
        secret=True,
    ),
    Setting(
        "master_secret_file",
        "path",
        None,
        "File of the master secret; default: master.secret in data_dir, made at first start.",
        _path,
    ),
    Setting(
        "default_limit",
        "limit",
        "100/15m",
        "Limit of keys that name none: 100/15m, 100/15m sliding, 10/s burst 50; several with commas; none for none.",
        _limits,
    ),
    Setting("default_format", "name", "lwa", "Key format of keys that name none.", _text),
    Setting(
        "key_formats",
        "tables",
        [],
        "Key formats besides lwa and ss: name, prefix, environments, tail_characters, checksum, rate_limit.",
        _formats,
    ),
    Setting(
        "surfaces",
        "table",
        {"/v1": "lwa.", "/api/campaigns": "ss_"},
        "Which prefix a refusal speaks of, by path; elsewhere the default format's.",
        _surfaces,
    ),
    Setting(
        "trusted_proxies",
        "networks",
        [],
        "Proxies whose X-Forwarded-For is believed: addresses or networks, with commas.",
        _networks,
    ),
    Setting(
        "gate_proxies",
        "networks",
        [],
        "Proxies that may ask the gate, and whose word on the request is taken: addresses or networks, with commas.",
        _networks,
    ),
    Setting(
        "gate_secret",
        "text",
        None,
        "Who sends this in X-Gate-Secret may ask the gate too, from any address; at least 24 characters.",
        _secret,
        secret=True,
    ),
    Setting(
        "gate_routes",
        "tables",
        {},
        "What the gate asks of a key, by route: account, scopes, environment, cost, dialect (plain, nginx or envoy).",
        _routes,
    ),
    Setting(
        "gate_token_seconds",
        "number",
        0,
        "How long the signed token of who passed, in X-Auth-Token, is good; 0 for none. Nothing takes one back sooner.",
        _whole(0, 3600),
    ),
    Setting(
        "cache_max_keys",
        "number",
        1_000_000,
        "How many keys a process remembers, at up to 500 bytes each.",
        _whole(1, 100_000_000),
    ),
    Setting(
        "max_connections",
        "number",
        4096,
        "How many connections a process keeps open; more are answered with 503 and closed.",
        _whole(1, 1_000_000),
    ),
    Setting(
        "max_connections_per_address", "number", None, "And from one address; default: a quarter.", _whole(1, 1_000_000)
    ),
    Setting("metrics_port", "number", None, "Port on which /metrics is shown; nowhere if not set.", _whole(1, 65535)),
    Setting("metrics_host", "address", "127.0.0.1", "Address of metrics_port.", _text),
    Setting("log_level", "level", "info", "debug, info, warning or error.", _level),
    Setting(
        "public_url",
        "url",
        None,
        "What people type to get here, such as https://keys.example.com; needed where a proxy speaks https for us.",
        _public_url,
    ),
    Setting(
        "support_contact",
        "text",
        None,
        "Whom callers may ask for help: an address or URL, shown on /help and in the API document.",
        _text,
    ),
    Setting(
        "oidc_issuer", "url", None, "Identity provider that people may sign in with, as it calls itself.", parse_issuer
    ),
    Setting("oidc_client_id", "text", None, "What Keywright is called at the provider.", _text),
    Setting(
        "oidc_client_secret",
        "text",
        None,
        "Its secret there; prefer a file. None for a public client.",
        _text,
        secret=True,
    ),
    Setting("oidc_client_secret_file", "path", None, "File that holds nothing but that secret.", _path),
    Setting("oidc_label", "text", None, "Whom the button names: Sign in with …; default: the issuer's host.", _text),
    Setting(
        "oidc_domains",
        "domains",
        [],
        "Domains of the e-mail addresses with which somebody may come in for the first time; any if not set.",
        lambda value: parse_domains(_texts(value)),
    ),
    Setting(
        "oidc_new_members",
        "role",
        INVITED_ONLY,
        "Who comes in besides members: only whoever was invited, or everybody, as viewer or admin.",
        parse_new_members,
    ),
    Setting("oidc_groups", "texts", [], "Groups (claim groups) of which somebody must be in one.", _words),
    Setting(
        "oidc_acr", "texts", [], "Classes of authentication (claim acr) of which the provider must use one.", _words
    ),
    Setting(
        "oidc_second_factors",
        "texts",
        [],
        "What in the claims amr or acr stands for the second factor here, such as mfa.",
        _words,
    ),
    Setting("portal_name", "text", None, "What the portal calls its operator; Keywright if not set.", _text),
    Setting(
        "portal_accent",
        "colour",
        None,
        "The colour of the portal, such as #2563eb, or two with a comma: for light and for dark.",
        _accent,
    ),
    Setting(
        "portal_return_url",
        "url",
        None,
        "Where the portal leads back to, where the link to it says nothing else.",
        lambda value: links.web_url(_text(value)),
    ),
    Setting(
        "portal_sample_url",
        "url",
        None,
        "What the samples beside a new key in the portal ask; there are none if not set.",
        lambda value: links.sample_url(_text(value)),
    ),
    Setting(
        "portal_variable",
        "text",
        "API_KEY",
        "The variable that holds the key, in what the portal shows.",
        lambda value: links.sample_variable(_text(value)),
    ),
)
BY_NAME = {setting.name: setting for setting in TABLE}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. ``origins`` tells where each came from: flag, environment, file or default."""

    host: str
    port: int
    data_dir: Path
    workers: int
    tls_cert: Path | None
    tls_key: Path | None
    master_secret: str | None = field(repr=False)
    master_secret_file: Path | None
    default_limit: tuple[str, ...]
    default_format: str
    key_formats: tuple[KeyFormat, ...]
    surfaces: dict[str, str]
    trusted_proxies: tuple[Network, ...]
    gate_proxies: tuple[Network, ...]
    gate_secret: str | None = field(repr=False)
    gate_routes: dict[str, Route]
    gate_token_seconds: int
    cache_max_keys: int
    max_connections: int
    max_connections_per_address: int | None
    metrics_port: int | None
    metrics_host: str
    log_level: str
    public_url: str | None
    support_contact: str | None
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret: str | None = field(repr=False)
    oidc_client_secret_file: Path | None
    oidc_label: str | None
    oidc_domains: tuple[str, ...]
    oidc_new_members: str
    oidc_groups: tuple[str, ...]
    oidc_acr: tuple[str, ...]
    oidc_second_factors: tuple[str, ...]
    portal_name: str | None
    portal_accent: tuple[str, str] | None
    portal_return_url: str | None
    portal_sample_url: str | None
    portal_variable: str
    origins: Mapping[str, str] = field(default_factory=dict)

    def ordered_formats(self) -> Iterable[KeyFormat]:
        """The key formats, the default one first."""
        return sorted(self.key_formats, key=lambda each: each.name != self.default_format)

    def surface_prefix(self, path: str) -> str:
        """The prefix that a refusal on ``path`` speaks of: that of the longest matching surface."""
        # Asked of every request: no list is made, and nothing is sorted.
        found = ""
        for each in self.surfaces:
            if len(each) > len(found) and (path == each or path.startswith(each + "/")):
                found = each
        if found:
            return self.surfaces[found]
        return next(each.prefix for each in self.key_formats if each.name == self.default_format)


def load(flags: Mapping[str, Any] | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.

    Args:
        flags: values given on the command line or by the embedding program; None means "not given".
        environment: instead of the process's.

    Raises:
        Misconfigured: an unknown name, or a value that cannot be used; says which and where it came from.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    file = Path(environment.get("KEYWRIGHT_CONFIG", SETTINGS_FILE))
    written = _read_file(file, required="KEYWRIGHT_CONFIG" in environment)
    for unknown in (given.keys() | written.keys()) - BY_NAME.keys():
        raise Misconfigured(f"There is no setting {unknown!r}. The settings are: {', '.join(sorted(BY_NAME))}.")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in TABLE:
        raw, origins[setting.name] = _choose(setting, given, environment, written, file)
        values[setting.name] = _parse(setting, raw, origins[setting.name])
    return _checked(Settings(**values, origins=origins))


def _choose(
    setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str], written: Mapping[str, Any], file: Path
) -> tuple[Any, str]:
    if setting.name in given:
        return given[setting.name], "flag"
    if environment.get(setting.variable):
        return environment[setting.variable], setting.variable
    if setting.name in written:
        return written[setting.name], str(file)
    return setting.default, "default"


def _parse(setting: Setting, raw: Any, origin: str) -> Any:
    if raw is None:
        return None
    try:
        return setting.parse(raw)
    except (ValueError, TypeError, KeyError) as error:
        raise Misconfigured(f"{setting.name} ({origin}): {error}.") from error


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if required:
            raise Misconfigured(f"The settings file {path} does not exist.") from error
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error}.") from error


def _checked(settings: Settings) -> Settings:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise Misconfigured("tls_cert and tls_key are given together or not at all.")
    if settings.metrics_port == settings.port:
        raise Misconfigured("metrics_port must be another port than port: metrics are not for callers.")
    if (settings.max_connections_per_address or 0) > settings.max_connections:
        raise Misconfigured("max_connections_per_address cannot be larger than max_connections.")
    if settings.default_format not in {each.name for each in settings.key_formats}:
        raise Misconfigured(f"default_format: there is no key format {settings.default_format!r}.")
    if settings.oidc_issuer and not (settings.oidc_client_id and settings.public_url):
        raise Misconfigured("oidc_issuer needs oidc_client_id, and public_url, which people come back to.")
    if settings.oidc_client_secret and settings.oidc_client_secret_file:
        raise Misconfigured("oidc_client_secret and oidc_client_secret_file: give one of them.")
    return settings
