"""Whether it is really they: acts that hand out power ask whoever has signed in to show again who they are.

A session may be stolen, and a screen left unlocked. Signing in is a proof, and it holds for a while; after that the
password is asked for or, of whoever has a second factor, a code: a stolen password is worth nothing there, either. When
it was shown last is kept with the session, on the server.
"""

from __future__ import annotations

from keywright.errors import KeywrightError
from keywright.people.entry import proof_of, require_member, takes_code
from keywright.people.office import Office
from keywright.people.throttle import Proof, count_proof, forget_proof
from keywright.people.values import Entered, Visit, Visitor
from keywright.values import Value

#: How long a proof holds.
PRESENCE_SECONDS = 15 * 60
#: How far a clock may have been set back since. Beyond it a proof of the future would hold for as long as that is.
SET_BACK_SECONDS = 60


class ProofRefused(KeywrightError):
    """What was shown does not prove that it is they."""


class ProofNeeded(KeywrightError):
    """First they must show who they are."""


class Proofs(Value, frozen=True, gc=False):
    """With what a member can show who they are. With nothing of it: only by signing in anew."""

    password: bool
    code: bool


def is_fresh(visitor: Visitor, now: float) -> bool:
    """Whether they have shown lately who they are."""
    return -SET_BACK_SECONDS <= now - visitor.session.proved_at <= PRESENCE_SECONDS


class Presence(Office):
    """Whoever has signed in comes here to show it again.

    Every method may raise `CallerRefused`, when they have been signed out meanwhile, and `Unavailable`; then nothing
    was changed.
    """

    def is_shown(self, visitor: Visitor) -> bool:
        """Whether they have shown lately who they are."""
        return is_fresh(visitor, self._clock.now())

    def proofs(self, visitor: Visitor) -> Proofs:
        """With what they can show it."""
        code = visitor.member.totp_secret is not None
        return Proofs(visitor.member.password is not None and not code, code)

    def show_password(self, visitor: Visitor, password: str, visit: Visit) -> Entered:
        """Show the password, and go on in the same session under another text: the one before opens nothing any more.

        Raises:
            ProofRefused: it is another one, there is none, or it is not enough, because there is a second factor.
            TooManyAttempts: wrong ones, from this network or in this session.
        """
        member_id, session_id = visitor.member.id, visitor.session.id
        count_proof(self._store, Proof.PASSWORD, member_id, visit.address, self._clock.now(), session_id=session_id)
        kept = visitor.member.password
        right = self._passwords.matches(password, kept)
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            # Read again: it may have been changed while the slow hash was made.
            if right and member.password == kept and member.totp_secret is None:
                forget_proof(tx, Proof.PASSWORD, member_id, visit.address, session_id=session_id)
                return self._proved(tx, visitor, Proof.PASSWORD, visit)
            self._not_proved(tx, visitor, Proof.PASSWORD, visit)
        raise ProofRefused

    def show_code(self, visitor: Visitor, code: str, visit: Visit) -> Entered:
        """Show a code of the second factor, or a recovery code; the same otherwise.

        Raises:
            ProofRefused: not the code, or it was used, or there is no second factor.
            TooManyAttempts: wrong ones.
        """
        proof, now = proof_of(code), self._clock.now()
        count_proof(self._store, proof, visitor.member.id, visit.address, now)
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            if takes_code(self._sealer, tx, member, code, now):
                return self._proved(tx, visitor, proof, visit)
            self._not_proved(tx, visitor, proof, visit)
        raise ProofRefused
