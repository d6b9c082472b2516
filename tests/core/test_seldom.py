"""What the log is told: each thing seldom, none for ever, and never what looks like a key."""

from __future__ import annotations

import logging

import pytest

from keywright import ManualClock, Unavailable
from keywright.adapters import causes
from keywright.seldom import MOST_THINGS, QUIET_SECONDS, Seldom
from support.installation import Installation


def test_each_thing_is_told_once_a_minute() -> None:
    """Of the same thing nothing is said for a minute, of another at once."""
    clock = ManualClock()
    seldom = Seldom(clock.elapsed)
    assert [seldom.may_tell("a"), seldom.may_tell("a"), seldom.may_tell("b")] == [True, False, True]
    clock.advance(QUIET_SECONDS - 1)
    assert not seldom.may_tell("a")
    clock.advance(1)
    assert [seldom.may_tell("a"), seldom.may_tell("a")] == [True, False]


def test_what_is_remembered_is_bounded() -> None:
    """A thing that is never the same twice fills neither the memory nor the log; a minute later there is room."""
    clock = ManualClock()
    seldom = Seldom(clock.elapsed)
    assert sum(seldom.may_tell(str(number)) for number in range(10 * MOST_THINGS)) == MOST_THINGS
    clock.advance(QUIET_SECONDS)
    assert seldom.may_tell("new")


def test_a_cause_is_told_without_keys(
    installation: Installation, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an error's text holds, no key comes into the log; what was told by whoever raised it is not repeated."""
    # What other tests have told in this minute is not remembered.
    monkeypatch.setattr(causes, "_seldom", Seldom(ManualClock().elapsed))
    key = installation.create().key
    with caplog.at_level(logging.WARNING, "keywright.unavailable"):
        causes.tell(Unavailable("A cause that was told.", told=True), installation.keywright.redact)
        causes.tell(Unavailable(f"No answer about {key}."), installation.keywright.redact)
    (told,) = caplog.messages
    assert told.startswith("Requests are answered with 503. No answer about ")
    assert key not in told
