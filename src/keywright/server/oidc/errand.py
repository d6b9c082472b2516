"""What somebody takes along to the provider and brings back, bound to their browser.

The browser keeps one secret in a cookie. The state that goes to the provider is signed with it, and what the provider's
answer must fit (the nonce of the token, the verifier of the code) is derived from it. So nothing is stored of strangers
who only begin, any number of tabs can be away at once, and what was begun in one browser is worth nothing in another.
That a state works once is for the store to say; see `people.federation.Federation.use_up`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from keywright.people.federation import AWAY_SECONDS
from keywright.values import Value

MAX_STATE_CHARACTERS = 1024
#: A page to come back to that is longer is forgotten: providers limit the state.
MAX_FOLLOWING_CHARACTERS = 256
#: Another process's clock may have been read a moment later, or set.
_SKEW_SECONDS = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_STATE = re.compile(r"([0-9a-f]{1,12}n?\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]*)\.([A-Za-z0-9_-]{43})", re.ASCII)


class Errand(Value, frozen=True, gc=False):
    """One sign-in that is away at the provider.

    Attributes:
        state: what comes back in the address.
        nonce: what must stand in the token.
        verifier: what proves, with the code, that it is we who began.
        following: the page to come back to; may be empty.
        begun_at: Unix seconds.
        anew: whether the provider is to ask them anew, also if it knows them.
    """

    state: str
    nonce: str
    verifier: str
    following: str
    begun_at: int
    anew: bool


def browser_secret(cookie: str) -> str:
    """The secret in the browser's cookie, or a new one."""
    return cookie if _SECRET.fullmatch(cookie) else secrets.token_urlsafe(32)


def begin(secret: str, following: str, now: float, *, anew: bool = False) -> Errand:
    """Somebody goes to the provider; ``anew``, to be asked there who they are. The wish is signed with the state."""
    kept = following if len(following) <= MAX_FOLLOWING_CHARACTERS else ""
    return _errand(
        secret, f"{int(now):x}{'n' if anew else ''}.{secrets.token_urlsafe(16)}.{_written(kept.encode())}", kept
    )


def come_back(secret: str, state: str, now: float) -> Errand | None:
    """What was begun with that state; None where it was not begun in this browser, or too long ago."""
    match = _STATE.fullmatch(state[:MAX_STATE_CHARACTERS])
    if match is None or not _SECRET.fullmatch(secret):
        return None
    if not hmac.compare_digest(match[2], _derived(secret, "state", match[1])):
        return None
    following = match[1].rpartition(".")[2]
    errand = _errand(secret, match[1], base64.urlsafe_b64decode(following + "=" * (-len(following) % 4)).decode())
    return errand if -_SKEW_SECONDS <= now - errand.begun_at <= AWAY_SECONDS else None


def _errand(secret: str, begun: str, following: str) -> Errand:
    at = begun.partition(".")[0]
    return Errand(
        f"{begun}.{_derived(secret, 'state', begun)}",
        _derived(secret, "nonce", begun),
        _derived(secret, "verifier", begun),
        following,
        int(at.removesuffix("n"), 16),
        at.endswith("n"),
    )


def _derived(secret: str, purpose: str, begun: str) -> str:
    return _written(hmac.digest(secret.encode(), f"{purpose} {begun}".encode(), hashlib.sha256))


def _written(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
