"""Requests to the identity provider, the only ones that a server of ours sends. The only module that imports httpx.

They are few and bounded: over https (or to this machine), for so many seconds altogether, with an answer of at most so
many bytes, and never on to where an answer points.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from keywright.errors import Unavailable
from keywright.provider import may_be_asked

#: How long one request may take, from the first look for the host to the last byte.
TIMEOUT_SECONDS = 8
MAX_ANSWER_BYTES = 256 * 1024
RETRY_SECONDS = 5


class ProviderDown(Unavailable):
    """The identity provider does not answer, or not as one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, RETRY_SECONDS)


class Line:
    """The way to one provider.

    Args:
        issuer: where it is on this machine, its endpoints may be as well.
        timeout_seconds: how long a question may take.
    """

    def __init__(self, issuer: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._issuer = issuer
        self._timeout_seconds = timeout_seconds
        # The certificates that the system trusts, or those in the file that SSL_CERT_FILE names.
        self._context = ssl.create_default_context()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at ``url``.

        Raises:
            ProviderDown: there is none to be had in time.
        """
        answer = self._answer("GET", url, headers=dict(headers or {}))
        if answer.status_code != httpx.codes.OK:
            raise ProviderDown(f"{url} answers with {answer.status_code}")
        return _object(answer)

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], **_: Any) -> httpx.Response:
        """What ``url`` answers to a form. In this form Authlib's client asks.

        Raises:
            ProviderDown: it does not answer in time and with a JSON object, or says itself that it cannot.
        """
        answer = self._answer("POST", url, headers=dict(headers), data=dict(data))
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise ProviderDown(f"{url} answers with {answer.status_code}")
        _object(answer)
        return answer

    def _answer(self, method: str, url: str, **given: Any) -> httpx.Response:
        if not may_be_asked(url) or (self._issuer.startswith("https:") and not url.startswith("https:")):
            raise ProviderDown(f"{url[:200]} is not an address that may be asked")
        # In a thread of the console's own: a loop of its own can be given up on time, whatever the other side does.
        loop = asyncio.SelectorEventLoop()
        try:
            return loop.run_until_complete(asyncio.wait_for(self._asked(method, url, **given), self._timeout_seconds))
        except TimeoutError:
            raise ProviderDown(f"{url} does not answer within {self._timeout_seconds} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise ProviderDown(f"{url} cannot be asked: {type(error).__name__} {error}"[:300]) from error
        finally:
            _close(loop)

    async def _asked(self, method: str, url: str, headers: dict[str, str], **given: Any) -> httpx.Response:
        # Nothing is unpacked: a small answer could become a large one.
        headers = {**headers, "Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "keywright"}
        client = httpx.AsyncClient(
            verify=self._context, trust_env=False, follow_redirects=False, timeout=self._timeout_seconds
        )
        body = bytearray()
        async with client, client.stream(method, url, headers=headers, **given) as answer:
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise ProviderDown(f"{url} answers with more than {MAX_ANSWER_BYTES} bytes")
            return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop with what was left half done in it, such as an answer that was not read to its end, or that would
    complain when it is swept up. Its threads are not waited for: one may still look for the host."""
    loop.run_until_complete(loop.shutdown_asyncgens())
    if left := asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.wait(left, timeout=1))
    loop.close()


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderDown(f"{answer.url} does not answer with a JSON object")
    return found
