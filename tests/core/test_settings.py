"""Settings: where a value comes from, what it may be, and what is said where it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keywright import Accepted, Keywright, Limit, ManualClock, Misconfigured, settings as settings_module
from keywright.build import identity_provider
from keywright.key import BUILT_IN_FORMATS, KeyFormat
from keywright.record import parse_network
from keywright.route import BUILT_IN_ROUTES, Route
from keywright.settings import BY_NAME, TABLE, Settings, load
from support.installation import ME, Installation

ACME = {"name": "acme", "prefix": "acme_", "environments": {"live": "live_", "test": "test_"}, "rate_limit": "7/m"}
HERE = Path.cwd()

#: Setting → how it is written in a file, how in the environment, and what it then is.
WRITTEN: dict[str, tuple[Any, str, Any]] = {
    "host": ('"::1"', "::1", "::1"),
    "port": ("9000", "9000", 9000),
    "data_dir": ('"/srv/keys"', "/srv/keys", Path("/srv/keys")),
    "workers": ("2", "2", 2),
    "tls_cert": ('"c.pem"', "c.pem", HERE / "c.pem"),
    "tls_key": ('"k.pem"', "k.pem", HERE / "k.pem"),
    "master_secret": ('"1:abc"', "1:abc", "1:abc"),
    "master_secret_file": ('"~/s"', "~/s", Path.home() / "s"),
    "default_limit": ('["10/s", "100/15m"]', "10/s, 100/15m", ("10/s", "100/15m")),
    "default_format": ('"ss"', "ss", "ss"),
    "key_formats": (
        '[{name = "acme", prefix = "acme_", rate_limit = "7/m", environments = {live = "live_", test = "test_"}}]',
        json.dumps([ACME]),
        (*BUILT_IN_FORMATS, KeyFormat("acme", "acme_", {"live": "live_", "test": "test_"}, rate_limit=("7/m",))),
    ),
    "surfaces": ('{"/v2/" = "acme_"}', '{"/v2": "acme_"}', {"/v2": "acme_"}),
    "trusted_proxies": (
        '["10.0.0.0/8", "::1"]',
        "10.0.0.0/8, ::1",
        (parse_network("10.0.0.0/8"), parse_network("::1")),
    ),
    "gate_proxies": ('["10.0.0.1"]', "10.0.0.1", (parse_network("10.0.0.1"),)),
    "gate_secret": (f'"{"s" * 24}"', "s" * 24, "s" * 24),
    "gate_routes": (
        "{orders = {cost = 2}}",
        '{"orders": {"cost": 2}}',
        {**{each.name: each for each in BUILT_IN_ROUTES}, "orders": Route("orders", cost=2)},
    ),
    "gate_token_seconds": ("60", "60", 60),
    "cache_max_keys": ("5", "5", 5),
    "max_connections": ("6", "6", 6),
    "max_connections_per_address": ("3", "3", 3),
    "metrics_port": ("9100", "9100", 9100),
    "metrics_host": ('"::1"', "::1", "::1"),
    "log_level": ('"DEBUG"', "Debug", "debug"),
    "public_url": ('"https://Keys.example.com/"', "https://keys.example.com", "https://keys.example.com"),
    "support_contact": ('"help@example.com"', "help@example.com", "help@example.com"),
    "oidc_issuer": ('"https://login.example.com/"', "https://login.example.com/", "https://login.example.com/"),
    "oidc_client_id": ('"keywright"', "keywright", "keywright"),
    "oidc_client_secret": ('"hush"', "hush", "hush"),
    "oidc_client_secret_file": ('"o.secret"', "o.secret", HERE / "o.secret"),
    "oidc_label": ('"Example"', "Example", "Example"),
    "oidc_domains": ('["Example.com"]', "example.com", ("example.com",)),
    "oidc_new_members": ('"viewer"', "viewer", "viewer"),
    "oidc_groups": ('["staff", "guests"]', "staff, guests", ("staff", "guests")),
    "oidc_acr": ('["phr"]', "phr", ("phr",)),
    "oidc_second_factors": ('["mfa", "hwk"]', "mfa,hwk", ("mfa", "hwk")),
    "portal_name": ('"Größe AG"', "Größe AG", "Größe AG"),
    "portal_accent": ('["#1D4ED8", "#93c5fd"]', "#1D4ED8, #93c5fd", ("#1d4ed8", "#93c5fd")),
    "portal_return_url": (
        '"https://app.example.com/settings?tab=keys"',
        "https://app.example.com/settings?tab=keys",
        "https://app.example.com/settings?tab=keys",
    ),
    "portal_sample_url": ('"https://api.example.com/orders?page=1"',) + ("https://api.example.com/orders?page=1",) * 2,
    "portal_variable": ('"SWIFTSELL_API_KEY"', "SWIFTSELL_API_KEY", "SWIFTSELL_API_KEY"),
}
#: Settings that are only good together.
TOGETHER = {
    "tls_cert": {"tls_key": "k.pem"},
    "tls_key": {"tls_cert": "c.pem"},
    "oidc_issuer": {"oidc_client_id": "keywright", "public_url": "https://keys.example.com"},
}

#: Setting → values that it cannot have.
BAD: tuple[tuple[str, Any], ...] = (
    ("host", " "),
    ("host", 5),
    ("port", "0"),
    ("port", 65_536),
    ("port", "eighty"),
    ("port", True),
    ("workers", "65"),
    ("data_dir", 5),
    ("default_limit", "100"),
    ("default_limit", "1/s,2/s"),
    ("default_limit", 5),
    ("default_format", "none-such"),
    ("key_formats", "not json"),
    ("key_formats", [5]),
    ("key_formats", [{"name": "x"}]),
    ("key_formats", [{**ACME, "colour": "red"}]),
    ("key_formats", [{**ACME, "name": 5}]),
    ("key_formats", [{**ACME, "prefix": 5}]),
    ("key_formats", [{**ACME, "environments": ["live"]}]),
    ("key_formats", [{**ACME, "environments": {"live": 5}}]),
    ("key_formats", [{**ACME, "tail_characters": "40"}]),
    ("key_formats", [{**ACME, "checksum": "no"}]),
    ("key_formats", [{**ACME, "rate_limit": "many"}]),
    ("key_formats", [{**ACME, "rate_limit": ["1/s", "2/s"]}]),
    ("key_formats", [{**ACME, "rate_limit": 5}]),
    ("surfaces", '["/v1"]'),
    ("surfaces", {"v1": "x_"}),
    ("surfaces", {"/v1": "x y"}),
    ("trusted_proxies", "10.0.0.1/8"),
    ("trusted_proxies", "everybody"),
    ("gate_proxies", "everybody"),
    ("gate_secret", "short"),
    ("gate_routes", "{"),
    ("gate_routes", {"Orders": {}}),
    ("gate_routes", {"orders": 5}),
    ("gate_routes", {"orders": {"dialect": "traefik"}}),
    ("gate_token_seconds", -1),
    ("cache_max_keys", 0),
    ("max_connections", "none"),
    ("max_connections_per_address", 0),
    ("max_connections_per_address", 4097),
    ("log_level", "loud"),
    ("public_url", "keys.example.com"),
    ("public_url", "ftp://keys.example.com"),
    ("public_url", "https://keys.example.com/console"),
    ("public_url", "https://"),
    ("oidc_issuer", "login.example.com"),
    ("oidc_issuer", "http://login.example.com"),
    ("oidc_issuer", "http://localhost.example.com"),
    ("oidc_issuer", "https://login.example.com?tenant=1"),
    ("oidc_issuer", "https://login.example.com#x"),
    ("oidc_issuer", "https://maya@login.example.com"),
    ("oidc_issuer", "https://login.example.com/a b"),
    ("oidc_issuer", "https://[::1"),
    ("oidc_issuer", "https://" + "x" * 250),
    ("oidc_domains", "@example.com"),
    ("oidc_domains", "example"),
    ("oidc_new_members", "owner"),
    ("oidc_groups", 5),
    ("portal_name", "  "),
    ("portal_accent", "blue"),
    ("portal_accent", "#25e"),
    ("portal_accent", 5),
    ("portal_accent", "#2563eb, #2563eb, #2563eb"),
    ("portal_accent", "#ffee00"),
    ("portal_accent", "#111827"),
    ("portal_accent", "#93c5fd, #1d4ed8"),
    ("portal_return_url", "app.example.com"),
    ("portal_return_url", "javascript:alert(1)"),
    ("portal_return_url", "https://me@app.example.com/"),
    ("portal_return_url", "https://app.example.com/ x"),
    ("portal_return_url", "https://app.example.com/\nx"),
    ("portal_return_url", "https:///settings"),
    ("portal_sample_url", "api.example.com/orders"),
    ("portal_sample_url", "https://api.example.com/$(id)"),
    ("portal_sample_url", 'https://api.example.com/"; id'),
    ("portal_variable", "2ND_KEY"),
    ("portal_variable", "ACME-KEY"),
    ("portal_variable", "K" * 65),
    ("portal_variable", "KEY=1"),
)


def written(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment that names a settings file with this text."""
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    return {"KEYWRIGHT_CONFIG": str(file)}


def value(settings: Settings, name: str) -> Any:
    """The value in force, and where it came from."""
    return getattr(settings, name), settings.origins[name]


def test_every_setting_is_tried_here() -> None:
    """No setting is added without saying here how it is written."""
    assert list(WRITTEN) == [setting.name for setting in TABLE]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_setting_comes_from_flag_environment_file_or_default(name: str, tmp_path: Path) -> None:
    """For every setting a flag wins over the environment, that over the file, and that over the default."""
    in_file, in_environment, expected = WRITTEN[name]
    others = TOGETHER.get(name, {})
    file = written(tmp_path, f"{name} = {in_file}")
    variable = BY_NAME[name].variable
    default = load(environment={})
    assert value(load(others, environment=file), name) == (expected, str(tmp_path / "mine.toml"))
    assert value(load(others, environment={variable: in_environment}), name) == (expected, variable)
    assert value(load({**others, name: in_environment}, environment={}), name) == (expected, "flag")
    assert value(default, name)[1] == "default"
    assert getattr(default, name) != expected


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    """Flag over environment over file over default, with another value in each."""
    file = written(tmp_path, "port = 1001")
    everywhere = {**file, "KEYWRIGHT_PORT": "1002"}
    assert load({"port": 1003}, environment=everywhere).port == 1003
    assert load({"port": None}, environment=everywhere).port == 1002
    assert load(environment={**file, "KEYWRIGHT_PORT": ""}).port == 1001
    assert load(environment={}).port == 8460


def test_the_defaults_are_those_of_the_documents() -> None:
    """S62: without any setting the limit is 100 in 15 minutes, and refusals speak of the documents' prefixes."""
    settings = load(environment={})
    assert (settings.host, settings.port, settings.default_limit) == ("127.0.0.1", 8460, ("100/15m",))
    paths = ("/v1", "/v1/account", "/v10", "/api/campaigns/c/trigger", "/api/campaigns", "/", "/apiary")
    assert [settings.surface_prefix(path) for path in paths] == ["lwa.", "lwa.", "lwa.", "ss_", "ss_", "lwa.", "lwa."]


def test_s28_the_longest_surface_decides() -> None:
    """S28: a refusal speaks of the prefix of the surface that the path lies on, elsewhere of the default format's."""
    settings = load({"surfaces": {"/a/": "a_", "/a/b": "b_"}, "default_format": "ss"}, environment={})
    paths = ("/a", "/a/c", "/a/b", "/a/b/c", "/a/bc", "/elsewhere")
    assert [settings.surface_prefix(path) for path in paths] == ["a_", "a_", "b_", "b_", "a_", "ss_"]


@pytest.mark.parametrize(("name", "bad"), BAD, ids=str)
def test_a_bad_value_is_named_with_its_source(name: str, bad: Any, tmp_path: Path) -> None:
    """Whoever mistypes a setting is told which one it was and where it stands, before anything is made."""
    with pytest.raises(Misconfigured, match=name):
        Keywright(load({"data_dir": str(tmp_path / "data"), name: bad}, environment={}))
    assert not (tmp_path / "data").exists()
    if isinstance(bad, str) and name != "default_format":
        with pytest.raises(Misconfigured, match=rf"{name} \({BY_NAME[name].variable}\)"):
            load(environment={BY_NAME[name].variable: bad} if bad.strip() else {BY_NAME[name].variable: " "})


@pytest.mark.parametrize(
    ("name", "bad", "said"),
    [
        ("gate_routes", {"orders": {"dialect": "traefik"}}, "there are plain, nginx, envoy"),
        ("trusted_proxies", "10.0.0.1/8", "its network is 10.0.0.0/8"),
    ],
)
def test_almost_the_right_value_is_told_the_right_one(name: str, bad: Any, said: str) -> None:
    """Where there are few right values, or one is meant, it stands in the error."""
    with pytest.raises(Misconfigured, match=said):
        load({name: bad}, environment={})


@pytest.mark.parametrize("name", ["prot", "KEYWRIGHT_PORT"])
def test_an_unknown_name_is_refused(name: str, tmp_path: Path) -> None:
    """A misspelt setting is not ignored, whether it stands in the file or is given."""
    for flags, environment in (({name: 1}, {}), ({}, written(tmp_path, f"{name} = 1"))):
        with pytest.raises(Misconfigured, match=f"no setting '{name}'"):
            load(flags, environment=environment)


@pytest.mark.parametrize("text", ["port = ", b"\xff", "port = 1\nport = 2"])
def test_an_unreadable_file_is_refused(text: str | bytes, tmp_path: Path) -> None:
    """A settings file that cannot be read stops the start and is named."""
    file = tmp_path / "mine.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for path in (file, tmp_path / "none.toml"):
        with pytest.raises(Misconfigured, match=path.name):
            load(environment={"KEYWRIGHT_CONFIG": str(path)})


@pytest.mark.parametrize("name", ["tls_cert", "tls_key"])
def test_certificate_and_key_come_together(name: str) -> None:
    """Half of TLS is not taken for none of it."""
    with pytest.raises(Misconfigured, match="together"):
        load({name: "file.pem"}, environment={})


def test_a_provider_is_named_whole(tmp_path: Path) -> None:
    """Half of an identity provider is not taken for none of it, nor two secrets for one; and its secret is read from
    its file, or the start ends."""
    whole = {
        "oidc_issuer": "https://login.example.com",
        "oidc_client_id": "k",
        "public_url": "https://keys.example.com",
    }
    for missing in ("oidc_client_id", "public_url"):
        with pytest.raises(Misconfigured, match="oidc_issuer needs"):
            load({name: each for name, each in whole.items() if name != missing}, environment={})
    file = tmp_path / "o.secret"
    with pytest.raises(Misconfigured, match="one of them"):
        load({**whole, "oidc_client_secret": "x", "oidc_client_secret_file": str(file)}, environment={})
    settings = load({**whole, "oidc_client_secret_file": str(file)}, environment={})
    for text, wrong in ((None, "cannot be read"), (b"\xff", "cannot be read"), (b"\n", "holds nothing")):
        if text is not None:
            file.write_bytes(text)
        with pytest.raises(Misconfigured, match=wrong):
            identity_provider(settings)
    file.write_text("hush-hush\n", "utf-8")
    found = identity_provider(settings)
    assert found is not None
    assert (found.client_secret, found.label) == ("hush-hush", "login.example.com")
    assert found.redirect_uri == "https://keys.example.com/sign-in/oidc/callback"
    assert "hush" not in repr(found)
    assert identity_provider(load(environment={})) is None


def test_the_secret_is_never_shown() -> None:
    """Settings that are printed or logged do not hold the master secret."""
    assert "3f" * 32 not in repr(load({"master_secret": "1:" + "3f" * 32}, environment={}))


def test_s62_the_default_limit_is_a_setting(data_dir: Path, clock: ManualClock) -> None:
    """S62: ``KEYWRIGHT_DEFAULT_LIMIT=1000000/15m`` gives every key that names no limit a million."""
    environment = {"KEYWRIGHT_DATA_DIR": str(data_dir), "KEYWRIGHT_DEFAULT_LIMIT": "1000000/15m"}
    with Keywright(settings_module.load(environment=environment), clock) as keywright:
        account = keywright.manager.operator_account().id
        outcome = keywright.verify(keywright.manager.create(ME, account, {"name": "Mine"}).key)
    assert isinstance(outcome, Accepted)
    assert outcome.decision
    assert (outcome.decision.tightest.limit, outcome.decision.tightest.remaining) == (Limit(1_000_000, 900), 999_999)


def test_an_operator_adds_a_key_format(data_dir: Path, clock: ManualClock) -> None:
    """A key format from the settings makes keys that work beside the built-in ones, with a limit of its own."""
    with Installation(data_dir, clock, key_formats=[ACME], default_format="acme") as own:
        keys = [own.create(), own.create(environment="test"), own.create(format="lwa")]
        assert [created.row.prefix for created in keys] == ["acme_live_", "acme_test_", "lwa.sk_live_"]
        outcomes = [own.keywright.verify(created.key) for created in keys]
    counts = [each.decision.tightest.limit.count for each in outcomes if isinstance(each, Accepted) and each.decision]
    assert counts == [7, 7, 100]


def test_an_operator_replaces_a_built_in_format(data_dir: Path, clock: ManualClock) -> None:
    """A format of the settings with a built-in name takes its place."""
    with Installation(data_dir, clock, key_formats=[{"name": "ss", "prefix": "swift_"}]) as own:
        created = own.create(format="ss")
        assert created.key.startswith("swift_")
        assert isinstance(own.keywright.verify(created.key), Accepted)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_limit", 5), ("default_limit", [5]), ("key_formats", "{"), ("key_formats", 5), ("key_formats", [5]),
        ("key_formats", [{}]), ("key_formats", [{"name": "x", "prefix": "y", "color": 1}]), ("surfaces", "{"),
        ("trusted_proxies", 5), ("trusted_proxies", [5]), ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "everybody"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_our_words(name: str, value: Any) -> None:
    """A message about a setting speaks of the setting, not of the interpreter, and ends with one full stop."""
    with pytest.raises(Misconfigured, match=rf"^{name} \(flag\): .*[^.]\.$") as told:
        load({name: value}, environment={})
    for word in ("object", "argument", "__init__", "Expecting", "host bits", "appear"):
        assert word not in str(told.value)


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("7/m", ("7/m",)),
        (["7/m", "10/s burst 50"], ("7/m", "10/s burst 50")),
        ("7/m, 100/h sliding", ("7/m", "100/h sliding")),
        ("none", ()),
    ],
)
def test_s62_a_key_format_has_one_limit_or_several(written: Any, limits: tuple[str, ...]) -> None:
    """S62: the limits of a format are written as those of the installation are."""
    settings = load({"key_formats": [{**ACME, "rate_limit": written}]}, environment={})
    assert settings.key_formats[-1].rate_limit == limits
