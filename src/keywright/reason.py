"""Why a key may be refused."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a key was refused. The first four are all "not a good key" to a caller, who must not tell them apart."""

    MALFORMED = "malformed"  # not the shape of any key format, or a checksum or tag that cannot be ours
    UNKNOWN = "unknown"  # the shape of a key, but no such key: never made, or deleted
    DISABLED = "disabled"
    EXPIRED = "expired"
    NETWORK = "network"
    ENVIRONMENT = "environment"
    RATE_LIMITED = "rate_limited"
    SCOPE = "scope"


#: Reasons that say nothing about who is asking: the caller is a stranger.
NOT_A_KEY = frozenset({Reason.MALFORMED, Reason.UNKNOWN, Reason.DISABLED, Reason.EXPIRED})
