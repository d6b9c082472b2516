"""What a restart keeps, what settings change, and serving over TLS."""

from __future__ import annotations

import json
from pathlib import Path

import requests
import trustme

from support.servers import running

KEYS = "/v1/account/api-keys"


def test_s58_s71_a_restart_keeps_keys_deletions_counters_and_last_use(data_dir: Path) -> None:
    """After a stop and a start every key, every deletion and every counter is where it was."""
    with running(data_dir) as first:
        kept, gone = first.key("kept"), first.key("gone")
        assert first.request("DELETE", f"{KEYS}/{gone['id']}", kept["key"]).status_code == 204
        used = first.request("GET", "/v1/subscriptions", kept["key"])
        assert used.headers["X-RateLimit-Remaining"] == "98"
        assert first.stop() == 0
    with running(data_dir) as second:
        again = second.request("GET", KEYS, kept["key"])
        assert again.headers["X-RateLimit-Remaining"] == "97"
        assert again.headers["X-RateLimit-Reset"] == used.headers["X-RateLimit-Reset"]
        assert [each["name"] for each in again.json()["keys"]] == ["kept"]
        assert again.json()["keys"][0]["last_used_at"] is not None
        assert second.request("GET", "/v1/subscriptions", gone["key"]).status_code == 401


def test_s62_s79_settings_of_the_environment(data_dir: Path) -> None:
    """The default limit, the prefix of a surface and the support contact are the operator's to set."""
    environment = {
        "KEYWRIGHT_DEFAULT_LIMIT": "1000000/15m",
        "KEYWRIGHT_SURFACES": '{"/v1": "acme_"}',
        "KEYWRIGHT_SUPPORT_CONTACT": "help@acme.example",
        "KEYWRIGHT_KEY_FORMATS": '[{"name": "acme", "prefix": "acme_", "environments": {"live": "live_"}}]',
    }
    with running(data_dir, **environment) as server:
        done = server.command("keys", "create", "Own", "--format", "acme", "--json", environment=environment)
        created = json.loads(done.stdout)
        assert created["prefix"] == "acme_live_"
        answer = server.request("GET", "/v1/subscriptions", created["key"])
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (200, "999999")
        wrong = server.request("GET", "/v1/subscriptions", "lwa.foo").json()["message"]
        assert wrong == "Invalid API key format. Keys must start with 'acme_' prefix."
        assert "help@acme.example" in server.request("GET", "/help").text


def test_s21_over_tls(data_dir: Path, tmp_path: Path) -> None:
    """With a certificate the server speaks TLS, and only TLS."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    flags = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with running(data_dir, *flags, scheme="https") as server:
        key = server.key()["key"]
        # An idle connection that is kept open would make the stop wait for its half of the TLS farewell.
        close = {"Connection": "close"}
        answer = server.request("GET", "/v1/subscriptions", key, headers=close, verify=str(tmp_path / "ca.pem"))
        assert answer.status_code == 200
        plain = server.url.replace("https", "http")
        assert not _answers(plain)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False
