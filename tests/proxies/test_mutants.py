"""The checks of the configurations can fail: a line that is taken out is missed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from proxies.checks import CHECKS, Check, no_word_from_the_gate_is_503
from proxies.site import House, Site
from proxies.test_forged import test_no_forged_identity_arrives as no_forged_identity_arrives
from proxies.test_smuggling import divided
from support.proxies import PROXIES, Ports, started
from support.servers import free_port

#: What is planted → the proxy, what stands in its files exactly once, what is put there, and the check that must fail.
MUTANTS = {
    "nginx: an identity is not set": (
        "nginx", "        proxy_set_header X-Auth-Key-Id $keywright_key_id;\n", "", "forged",
    ),
    "nginx: a blank name is not overwritten": ("nginx", '        proxy_set_header X-Auth-Error "";\n', "", "forged"),
    "nginx: names with underscores pass": (
        "nginx", "underscores_in_headers off;", "underscores_in_headers on;", "forged",
    ),
    "nginx: names with dots pass": ("nginx", "ignore_invalid_headers on;", "ignore_invalid_headers off;", "forged"),
    "nginx: nobody is asked": ("nginx", "auth_request /_keywright;", "", "an_invalid_key_is_told"),
    "nginx: refusals are nginx's own": (
        "nginx", "error_page 401 403 500 = @keywright_refused;", "", "a_used_up_limit_is_told",
    ),
    "nginx: 429 is forgotten": (
        "nginx", "if ($keywright_status = 429) { return 429 $keywright_error; }", "", "a_used_up_limit_is_told",
    ),
    "nginx: the token is not passed on": (
        "nginx", "proxy_set_header X-Auth-Token $keywright_token;", 'proxy_set_header X-Auth-Token "";',
        "a_token_says_who_passed",
    ),
    "nginx: 503 is forgotten": (
        "nginx", "if ($keywright_status = 503) { return 503 $keywright_error; }", "",
        "a_store_that_cannot_answer_is_told",
    ),
    "nginx: when to come back is forgotten": (
        "nginx", "add_header Retry-After $keywright_retry always;", "", "a_store_that_cannot_answer_is_told",
    ),
    "nginx: the client says where it is": (
        "nginx",
        "proxy_set_header X-Forwarded-For $remote_addr;\n        proxy_set_header X-Original-URI",
        "proxy_set_header X-Forwarded-For $http_x_forwarded_for;\n        proxy_set_header X-Original-URI",
        "the_clients_address_is_what_the_proxy_saw",
    ),
    "nginx: the client says what it asks for": (
        "nginx", "proxy_set_header X-Original-URI $request_uri;", "", "what_is_asked_is_not_the_clients_to_say",
    ),
    "nginx: the key goes on": ("nginx", 'proxy_set_header X-API-Key "";', "", "the_key_stays_outside"),
    "nginx: the limits are not told": (
        "nginx", "$keywright_standing always;\n    }\n\n    location =", '"" always;\n    }\n\n    location =',
        "a_used_up_limit_is_told",
    ),
    "nginx: the challenge is told twice": (
        "nginx", '401      "";\n', "", "an_invalid_key_is_told",
    ),
    "nginx: a new connection for each question": (
        "nginx", 'proxy_http_version 1.1;\n        proxy_set_header Connection "";\n        # The gate', "# The gate",
        "the_gate_is_asked_on_its_fast_lane",
    ),
    "nginx: no answer is told as it comes": (
        "nginx", "error_page 401 403 500 =", "error_page 401 403 =", "down",
    ),
    "caddy: names with underscores pass": ("caddy", "request_header -X_Auth*", "", "forged"),
    "caddy: names with dots pass": ("caddy", "request_header -X.Auth*", "", "forged"),
    "caddy: an identity is not copied": ("caddy", "copy_headers X-Auth-Key-Id ", "copy_headers ", "a_good_key_passes"),
    "caddy: an identity can be dropped on the way": ("caddy", "request_header @names -Connection", "", "forged"),
    "caddy: the key goes on": ("caddy", "header_up -Authorization", "", "the_key_stays_outside"),
    "caddy: no answer is told as it comes": ("caddy", "handle @unasked {", "handle /nowhere {", "down"),
    "haproxy: aliases pass": ("haproxy", "^x[^a-z0-9]auth([^a-z0-9]|$)", "^x-auth-", "forged"),
    "haproxy: an identity is not set": ("haproxy", '"x-auth-key-id", ', "", "a_good_key_passes"),
    "haproxy: whoever was not refused passes": (
        "haproxy", "unless { var(txn.keywright) -m str passed }", "if FALSE", "down",
    ),
    "haproxy: only one of two keys is asked about": (
        "haproxy", "values[#values + 1] = value", "values[1] = value", "two_keys_are_told",
    ),
    "haproxy: the client says where it is": (
        "haproxy", "{ txn.sf:src() }", '{ "127.0.0.2" }', "the_clients_address_is_what_the_proxy_saw",
    ),
    "haproxy: what the client says of itself stays": (
        "haproxy", "set-header X-Forwarded-For", "add-header X-Forwarded-For",
        "the_clients_address_is_what_the_proxy_saw",
    ),
    "haproxy: a length that is too large": (
        "haproxy", "    http-request deny deny_status 400 if { req.fhdr(content-length) -m len 18: }\n", "", "smuggled",
    ),
    "envoy: names with underscores pass": ("envoy", "x[^a-z0-9]auth([^a-z0-9].*)?", "x[-.]auth[-.].*", "forged"),
    "envoy: names with dots pass": ("envoy", "x[^a-z0-9]auth([^a-z0-9].*)?", "x[-_]auth[-_].*", "forged"),
    "envoy: an identity is not copied": ("envoy", "prefix: x-auth-,", "prefix: x-auth-a,", "a_good_key_passes"),
    "envoy: who cannot be asked about passes": (
        "envoy", "failure_mode_allow: false", "failure_mode_allow: true", "down",
    ),
    "envoy: the client says where it is": (
        "envoy", "                        - remove: x-forwarded-for\n", "", "the_clients_address_is_what_the_proxy_saw",
    ),
}  # fmt: skip
#: Checks that are not in the list of those for every proxy.
OTHERS: Mapping[str, Check] = {
    "forged": no_forged_identity_arrives,
    "down": no_word_from_the_gate_is_503,
    "smuggled": lambda site: divided(site, "a length too large to count"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_caught(name: str, stack: ExitStack, directory: Path, at_home: House) -> None:
    """An identity that can be forged, a gate that is not asked, a refusal that is not told: the checks notice each."""
    kind, old, new, check = MUTANTS[name]
    proxy = PROXIES[kind]
    if proxy.program() is None:
        pytest.skip(f"needs {proxy.package}")
    files = proxy.text()
    assert sum(text.count(old) for text in files.values()) == 1, "what is to be changed stands there once"
    planted = {file: text.replace(old, new) for file, text in files.items()}
    ports = Ports(free_port(), at_home.application.port) if check == "down" else at_home.ports
    site = Site(kind, stack.enter_context(started(proxy, directory, ports, planted)), at_home)
    checked = {**OTHERS, **CHECKS}[check]
    with pytest.raises((AssertionError, KeyError, ValueError)):
        checked(site)
