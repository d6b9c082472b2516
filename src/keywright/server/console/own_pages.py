"""Your profile: password, second factor, sessions, and which account you act in."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import segno
from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import Conflict, InvalidValue
from keywright.people import totp
from keywright.people.throttle import TooManyAttempts
from keywright.server.console.ask import Ask, Route
from keywright.server.console.pages import Pages
from keywright.server.console.place import HOME

PATH = "/profile"
ISSUER = "Keywright"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = _OwnPages(keywright, pages)
    return [
        Route("GET", PATH, made.profile),
        Route("POST", f"{PATH}/password", made.change_password),
        Route("GET", f"{PATH}/second-factor", made.ask_totp),
        Route("POST", f"{PATH}/second-factor", made.set_totp),
        Route("POST", f"{PATH}/second-factor/remove", made.remove_totp, proof=True),
        Route("POST", f"{PATH}/second-factor/codes", made.new_codes, proof=True),
        Route("POST", f"{PATH}/sessions/others/end", made.end_others),
        Route("POST", PATH + "/sessions/{session_id}/end", made.end),
        Route("POST", "/account/switch", made.switch),
    ]


class _OwnPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._entry = keywright.entry
        self._directory = keywright.directory
        self._passkeys = keywright.passkeys
        self._pages = pages

    def profile(self, ask: Ask) -> Response:
        return self._profile(ask)

    def _profile(self, ask: Ask, status: int = 200, **more: Any) -> Response:
        shown = {
            "sessions": self._entry.sessions(ask.visitor),
            "passkeys": self._passkeys.listed(ask.visitor),
            "site": self._pages.site(ask),
            "codes_left": self._directory.recovery_codes(ask.visitor),
            "changed": ask.query.get("changed", ""),
            "failed": "",
        }
        return self._pages.answer(ask, "profile.html.j2", status, **{**shown, **more})

    def change_password(self, ask: Ask) -> Response:
        try:
            self._directory.change_password(ask.visitor, ask.field("old"), ask.field("new"), ask.visit)
        except InvalidValue as error:
            return self._profile(ask, 422, error=error, failed="password")
        except TooManyAttempts as error:
            return self._late(ask, error, "password")
        return self._pages.redirect(ask, f"{PATH}?changed=password")

    def ask_totp(self, ask: Ask) -> Response:
        if ask.visitor.member.totp_secret is not None:
            return self._pages.redirect(ask, PATH)
        return self._totp(ask, totp.new_secret())

    def _totp(self, ask: Ask, secret: bytes, status: int = 200, **more: Any) -> Response:
        code = segno.make(totp.uri(secret, ask.visitor.member.email, ISSUER), micro=False, error="m")
        rows = ["".join("1" if cell else "0" for cell in row) for row in code.matrix]
        return self._pages.answer(
            ask, "second_factor.html.j2", status, secret=totp.as_text(secret), dark=_dark(rows), size=len(rows),
            **{"codes": [], "renewed": False, **more},
        )  # fmt: skip

    def set_totp(self, ask: Ask) -> Response:
        secret = _secret(ask.field("secret"))
        if secret is None or ask.visitor.member.totp_secret is not None:
            return self._pages.redirect(ask, PATH)
        try:
            codes = self._directory.set_totp(ask.visitor, secret, ask.field("code"), ask.field("password"), ask.visit)
        except InvalidValue as error:
            return self._totp(ask, secret, 422, error=error)
        except TooManyAttempts as error:
            return self._late(ask, error, "second_factor")
        return self._totp(ask, secret, 201, codes=codes)

    def remove_totp(self, ask: Ask) -> Response:
        self._directory.remove_totp(ask.visitor, ask.visit)
        return self._pages.redirect(ask, PATH)

    def new_codes(self, ask: Ask) -> Response:
        codes = self._directory.new_recovery_codes(ask.visitor, ask.visit)
        return self._pages.answer(ask, "second_factor.html.j2", 201, codes=codes, renewed=True)

    def _late(self, ask: Ask, error: TooManyAttempts, failed: str) -> Response:
        said = self._pages.words("entry.late", seconds=error.retry_after_seconds)
        response = self._profile(ask, 429, error=Conflict(said), failed=failed)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    def end(self, ask: Ask) -> Response:
        self._entry.end_session(ask.visitor, ask.parts["session_id"], ask.visit)
        return self._pages.redirect(ask, PATH)

    def end_others(self, ask: Ask) -> Response:
        self._entry.end_other_sessions(ask.visitor, ask.visit)
        return self._pages.redirect(ask, PATH)

    def switch(self, ask: Ask) -> Response:
        self._entry.switch_account(ask.visitor, ask.field("account"))
        return self._pages.redirect(ask, HOME)


def _secret(text: str) -> bytes | None:
    try:
        return base64.b32decode(text) if len(text) == _SECRET_CHARACTERS else None
    except (binascii.Error, ValueError):
        return None


_SECRET_CHARACTERS = 32


def _dark(rows: list[str]) -> str:
    """The dark fields of a QR code as one path of an SVG."""
    return "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, cell in enumerate(row) if cell == "1")
