"""Who passes, as headers for the application behind the proxy.

All of them are sent with every answer, blank where there is nothing to tell: a proxy that copies them replaces
whatever a client wrote there, and a client's forged identity never arrives.
"""

from __future__ import annotations

from urllib.parse import quote

from keywright.outcome import Accepted, Outcome
from keywright.record import Record

KEY_ID = "X-Auth-Key-Id"
ACCOUNT_ID = "X-Auth-Account-Id"
KEY_NAME = "X-Auth-Key-Name"
SCOPES = "X-Auth-Scopes"
ENVIRONMENT = "X-Auth-Environment"
LIMITS = "X-Auth-Limits"
TOKEN = "X-Auth-Token"  # noqa: S105 - a header's name
STATUS = "X-Auth-Status"
ERROR = "X-Auth-Error"
#: Every header that is sent, in its order.
NAMES = (KEY_ID, ACCOUNT_ID, KEY_NAME, SCOPES, ENVIRONMENT, TOKEN, LIMITS, STATUS, ERROR)
#: What is sent where nobody looked at the request: whoever asked may not ask, or asked for what is not there.
BLANK = tuple((name, "") for name in NAMES)
#: Characters of a key's name that travel as they are; the others are percent-encoded UTF-8.
_PLAIN = " !#$&'()*+,/:;=?@[]"


def of_record(record: Record | None) -> tuple[str, str, str, str, str]:
    """The first five: what does not change between two requests with the same key."""
    if record is None:
        return ("", "", "", "", "")
    scopes = " ".join(sorted(record.scopes))
    return (record.key_id, record.account_id, quote(record.name, safe=_PLAIN), scopes, record.environment)


def headers(
    outcome: Outcome | None, *, limits: str = "", token: str = "", status: int, error: str = ""
) -> list[tuple[str, str]]:
    """All of them.

    Args:
        outcome: None where nobody was looked for.
        limits: where the limits of whoever passes stand, as the ``RateLimit`` field says it; empty for none.
        token: a signed token that says the same; empty for none.
        status: what became of the request, whatever the proxy is told.
        error: the body of the refusal, for proxies that drop bodies; empty for none.
    """
    passed = outcome.record if isinstance(outcome, Accepted) else None
    return list(zip(NAMES, (*of_record(passed), token, limits, str(status), error), strict=True))
