"""The console and the portal behind a real nginx that ends TLS, with the very block that the page on proxies shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from docs.pages import DOCS, blocks
from keywright import Keywright
from people.staff import PASSWORD, WHERE, cheap_passwords
from support.faces import beside
from support.installation import ME
from support.proxies import PROXIES, nginx_over
from support.servers import Server, free_port, running
from support.waiting import eventually

needs_nginx = pytest.mark.skipif(PROXIES["nginx"].program() is None, reason="needs nginx")
HOST_LINE = "    proxy_set_header Host $http_host;\n"
SERVER = """server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {directory}/cert.pem;
    ssl_certificate_key {directory}/key.pem;
    {block}
}}"""


def documented() -> str:
    """The block as the page shows it."""
    page = (DOCS / "howto" / "behind-a-proxy.md").read_text("utf-8")
    [block] = [each.text for each in blocks(page) if each.text.startswith("location / {")]
    return block


@contextmanager
def behind(directory: Path, block: str, server: Server, port: int) -> Iterator[None]:
    """An nginx with TLS for localhost, and in it one block for every path."""
    directory.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "authority.pem")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    assert block.count("8460") == 1
    told = block.replace("8460", server.url.rpartition(":")[2])
    with nginx_over(directory, SERVER.format(port=port, directory=directory, block=told), port):
        yield


class Browser:
    """Somebody's browser: cookies, and what a browser says of where a form stood."""

    def __init__(self, port: int, authority: Path) -> None:
        self.url = f"https://localhost:{port}"
        self._session = requests.Session()
        # Whatever authorities and proxies the machine is set to are not the test's.
        self._session.trust_env = False
        self._session.verify = str(authority)

    def get(self, path: str) -> requests.Response:
        """Look at a page."""
        return self._session.get(self.url + path, headers={"Accept": "text/html"}, timeout=30)

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form of a page of the same origin."""
        said = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        return self._session.post(self.url + path, fields, headers=said, timeout=30, allow_redirects=False)


def come_in(browser: Browser, keywright: Keywright, account_id: str) -> None:
    """Sign in to the console and open a portal, as the pages do."""
    assert browser.get("/sign-in").status_code == 200
    answer = browser.post("/sign-in", email="maya@example.com", password=PASSWORD)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/overview"), answer.text
    assert answer.headers["set-cookie"].startswith("__Host-keywright=")
    assert browser.get("/settings/api-keys").url == f"{browser.url}/settings/api-keys"
    link = keywright.portals.new_link(ME, {"account_id": account_id})
    answer = browser.post("/portal/open", token=link.text)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/portal/api-keys"), answer.text


@needs_nginx
def test_the_documented_nginx_lets_people_in(tmp_path: Path) -> None:
    """Whoever puts the block of the page in front signs in over TLS. Without the line on Host nobody does, and page and
    log say what came in place of what."""
    port = free_port()
    public_url = f"https://localhost:{port}"
    with ExitStack() as stack:
        server = stack.enter_context(running(tmp_path / "data", KEYWRIGHT_PUBLIC_URL=public_url))
        keywright = stack.enter_context(beside(server))
        cheap_passwords(keywright)
        keywright.entry.claim(keywright.entry.new_setup_token(ME), "Maya", "maya@example.com", PASSWORD, WHERE)
        account_id = keywright.manager.create_account(ME, "A Company").id
        with behind(tmp_path / "right", documented(), server, port):
            come_in(Browser(port, tmp_path / "right" / "authority.pem"), keywright, account_id)

        assert documented().count(HOST_LINE) == 1
        with behind(tmp_path / "wrong", documented().replace(HOST_LINE, ""), server, port):
            browser = Browser(port, tmp_path / "wrong" / "authority.pem")
            for path in ("/sign-in", "/portal/open"):
                answer = browser.post(path, email="maya@example.com", password=PASSWORD)
                assert answer.status_code == 403
                assert "set-cookie" not in answer.headers
                told = server.url.removeprefix("http://")
                assert f"came to {told}," in answer.text
                assert public_url in answer.text
        line = f"Host '{told}': public_url is {public_url}."
        assert eventually(lambda: server.log.read_text().count(line) == 2)
