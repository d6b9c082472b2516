"""The documents' own samples, run as they stand: scheme, host, key and campaign id changed, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from support.servers import Server, running

DOCUMENTS = Path(__file__).with_name("documents")
#: Language → the command that runs a sample from standard input, the line that prints what came, and where to get it.
LANGUAGES = {
    "curl": (("bash", "-e"), "", "curl"),
    "node": (("node", "--input-type=module"), "console.log(await response.text() + '\\n' + response.status)", "nodejs"),
    "python": (("python",), "print(response.text, response.status_code, sep='\\n')", "python3"),
    "ruby": (("ruby",), "puts response.body, response.code", "ruby"),
}
#: Where each client looks for the authorities that it trusts.
TRUST = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")


class Endpoint:
    """A started server, and how clients come to trust it."""

    def __init__(self, server: Server, directory: Path, authority: Path | None) -> None:
        self.server = server
        # curl prints no status by itself; its own settings file makes it, so that the sample need not be touched.
        (directory / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}\\n"\n')
        trust = dict.fromkeys(TRUST, str(authority)) if authority else {}
        self.environment = {**os.environ, **trust, "CURL_HOME": str(directory), "NO_PROXY": "127.0.0.1"}

    def run(self, language: str, name: str, **replaced: str) -> tuple[int, str]:
        """Run a sample: the status and the body that it printed."""
        command, last_line, package = LANGUAGES[language]
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is missing, and so is this proof: apt-get install {package}")
        text = (DOCUMENTS / f"{name}.txt").read_text("utf-8")
        for host in ("https://api.saleswebhooks.com", "https://app.swiftsellai.com"):
            text = text.replace(host, self.server.url)
        for placeholder, value in replaced.items():
            assert text.count(placeholder) == 1
            text = text.replace(placeholder, value)
        done = subprocess.run(
            command, input=text + last_line + "\n", env=self.environment, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rstrip("\n").rpartition("\n")
        return int(status), body


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A server that speaks TLS, with a certificate of an authority made for it."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    flags = ("--tls-cert", str(directory / "cert.pem"), "--tls-key", str(directory / "key.pem"))
    with running(directory / "data", *flags, scheme="https") as started:
        yield Endpoint(started, directory, directory / "ca.pem")


@pytest.fixture(scope="module")
def plain(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """The shared server, over plain HTTP."""
    return Endpoint(server, tmp_path_factory.mktemp("plain"), None)


@pytest.fixture(params=["secure", "plain"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Over TLS and over plain HTTP."""
    found: Endpoint = request.getfixturevalue(request.param)
    return found


def campaign(server: Server) -> str:
    """The id of the sample campaign that the first start made."""
    listed: list[dict[str, Any]] = json.loads(server.command("campaigns", "list", "--json").stdout)
    assert listed[0]["deployed"]
    return str(listed[0]["id"])


def assert_subscriptions(status: int, body: str) -> None:
    """What every one of the four samples gets."""
    assert status == 200, body
    assert sorted(json.loads(body)) == ["data", "pagination"]


@pytest.mark.parametrize("language", ["curl", "node", "python"])
def test_s25_the_sales_webhooks_samples(language: str, endpoint: Endpoint) -> None:
    """cURL, Node and Python as in the document get 200 and the list, over TLS and without."""
    key = endpoint.server.key()["key"]
    assert_subscriptions(*endpoint.run(language, language, **{"lwa.sk_live_YOUR_API_KEY": key}))


def test_s25_the_ruby_sample(secure: Endpoint) -> None:
    """Ruby as in the document, which insists on TLS, gets 200 and the list."""
    key = secure.server.key()["key"]
    assert_subscriptions(*secure.run("ruby", "ruby", **{"lwa.sk_live_YOUR_API_KEY": key}))


@pytest.mark.parametrize("language", ["curl", "node", "python", "ruby"])
def test_s25_s32_the_samples_with_their_placeholder(language: str, secure: Endpoint) -> None:
    """A sample whose placeholder was left in place gets a 401 that speaks of the key, not of its format."""
    status, body = secure.run(language, language)
    assert status == 401
    assert json.loads(body)["message"] == "Invalid API key. Check that your key is correct and active."


@pytest.mark.parametrize("key_format", ["ss", "lwa"])
def test_s25_s83_the_swiftsell_sample(key_format: str, endpoint: Endpoint) -> None:
    """The trigger as in the document is queued, with a key of either format."""
    key = endpoint.server.key("Shopify Integration", "--format", key_format)["key"]
    campaign_id = campaign(endpoint.server)
    status, body = endpoint.run("curl", "trigger", your_api_key=key, YOUR_CAMPAIGN_ID=campaign_id)
    assert status == 202, body
    queued = json.loads(body)
    assert (queued["campaign_id"], queued["status"]) == (campaign_id, "queued")


def test_s15_s38_s52_s55_creating_listing_and_deleting(endpoint: Endpoint) -> None:
    """The document's three management samples in a row: make a key, see it, use it, delete it, and it is gone."""
    account = endpoint.server.account("Sample Company")
    key = endpoint.server.key("Production Server", "--account", account)["key"]
    mine = {"lwa.sk_live_YOUR_API_KEY": key}

    status, body = endpoint.run("curl", "create", **{"lwa.sk_live_YOUR_EXISTING_KEY": key})
    made = json.loads(body)
    assert (status, made["name"]) == (201, "Development Server")
    endpoint.server.canaries.append(made["key"])

    status, body = endpoint.run("curl", "list", **mine)
    listed = json.loads(body)["keys"]
    assert status == 200
    assert [list(each)[:4] for each in listed] == [["id", "name", "last_used_at", "created_at"]] * 2
    assert [each["name"] for each in listed] == ["Production Server", "Development Server"]
    assert listed[1]["last_used_at"] is None

    assert_subscriptions(*endpoint.run("curl", "curl", **{"lwa.sk_live_YOUR_API_KEY": made["key"]}))
    assert endpoint.run("curl", "delete", key_8Yx9Kj2Mn=made["id"], **mine) == (204, "")
    assert endpoint.run("curl", "curl", **{"lwa.sk_live_YOUR_API_KEY": made["key"]})[0] == 401
    assert [each["name"] for each in json.loads(endpoint.run("curl", "list", **mine)[1])["keys"]] == [
        "Production Server"
    ]


def test_s26_s27_s28_three_ways_to_break_the_curl(plain: Endpoint) -> None:
    """Broken in three ways, the sample tells three different things."""
    messages = set()
    for broken in ("", "lwa.sk_live_YOUR_OTHER_KEY", "sk_live_0123456789"):
        status, body = plain.run("curl", "curl", **{"lwa.sk_live_YOUR_API_KEY": broken})
        assert status == 401
        messages.add(json.loads(body)["message"])
    assert len(messages) == 3
