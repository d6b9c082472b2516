"""What a browser is asked to do with a passkey, and whether its answer holds (WebAuthn, level 2). The only module that
imports webauthn.

Nothing here knows people, stores or sessions. Every text that a browser answers with may come from anybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, parse_authentication_credential_json, parse_client_data_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from keywright.errors import KeywrightError
from keywright.stores.people import Member
from keywright.values import Value

#: How long a challenge may wait for its answer.
CHALLENGE_SECONDS = 5 * 60
#: What authenticators show beside the address.
PARTY = "Keywright"
#: An answer is some hundred bytes; one with a long attestation has a few thousand.
_MOST_CHARACTERS = 32_768
_MOST_ID_BYTES = 1023


class AnswerRefused(KeywrightError):
    """The answer is none, or none to this challenge, here."""


class Site(Value, frozen=True, gc=False):
    """Where passkeys belong to.

    Attributes:
        party: the name of the host: an authenticator gives a passkey to no other.
        origin: the one origin whose pages may ask for them.
    """

    party: str
    origin: str


class Made(Value, frozen=True, gc=False):
    """A new passkey, as the authenticator tells of it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class Answer(Value, frozen=True, gc=False):
    """What an answer says of itself; nothing of it is proven yet.

    Attributes:
        handle: the member it says to be of; empty if it says none.
    """

    credential_id: bytes
    handle: str


def ask_to_make(site: Site, challenge: str, member: Member, known: Iterable[bytes]) -> str:
    """What to ask an authenticator for a passkey that it finds by itself, and gives only to who it belongs to.

    Args:
        known: passkeys of the member; an authenticator that holds one of them makes no second.
    """
    return options_to_json(generate_registration_options(
        rp_id=site.party,
        rp_name=PARTY,
        user_id=member.id.encode(),
        user_name=member.email,
        user_display_name=member.name,
        challenge=base64url_to_bytes(challenge),
        timeout=CHALLENGE_SECONDS * 1000,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    ))  # fmt: skip


def ask_to_show(site: Site, challenge: str, known: Iterable[bytes] = ()) -> str:
    """What to ask an authenticator for a proof.

    Args:
        known: the passkeys that will do; without any, whichever the person picks.
    """
    return options_to_json(generate_authentication_options(
        rp_id=site.party,
        challenge=base64url_to_bytes(challenge),
        timeout=CHALLENGE_SECONDS * 1000,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    ))  # fmt: skip


def challenge_of(answer: str) -> str:
    """The challenge that an answer says to be to.

    Raises:
        AnswerRefused: it says none.
    """
    with _judged():
        told = parse_client_data_json(base64url_to_bytes(_parsed(answer)["response"]["clientDataJSON"]))
        return bytes_to_base64url(told.challenge)


def read(answer: str) -> Answer:
    """What an answer says of itself.

    Raises:
        AnswerRefused: it cannot be read.
    """
    with _judged():
        found = parse_authentication_credential_json(_parsed(answer))
        return Answer(found.raw_id, (found.response.user_handle or b"").decode())


def check_made(answer: str, challenge: str, site: Site) -> Made:
    """The passkey that was made for this challenge, here, by somebody whom the authenticator knows.

    Raises:
        AnswerRefused: it was not.
    """
    with _judged():
        found = verify_registration_response(
            credential=_parsed(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.party,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    if len(found.credential_id) > _MOST_ID_BYTES:
        raise AnswerRefused
    return Made(found.credential_id, found.credential_public_key, found.sign_count)


def check_shown(answer: str, challenge: str, site: Site, public_key: bytes) -> int:
    """How often the passkey was used, as its authenticator counts; 0 where it does not. Whether that is more than the
    last time is for whoever remembers the last time.

    Raises:
        AnswerRefused: the answer is not signed with the key, for this challenge, here, by somebody whom the
            authenticator knows.
    """
    with _judged():
        found = verify_authentication_response(
            credential=_parsed(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.party,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return found.new_sign_count


@contextmanager
def _judged() -> Iterator[None]:
    """Whatever the parsers trip over in a stranger's text is a refusal, and not a bug."""
    try:
        yield
    except Exception as error:
        raise AnswerRefused from error


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > _MOST_CHARACTERS:
        raise AnswerRefused
    parsed: dict[str, Any] = json.loads(answer)
    return parsed
