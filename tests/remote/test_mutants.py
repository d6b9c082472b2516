"""The checks of whoever asks a server can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.mutants import assert_caught, with_long_form

FAILURES, SERVERS = "tests/remote/test_failures.py", "tests/remote/test_servers.py"
#: Fault → where it is planted, and the test that must fail.
MUTANTS = {
    "a server that fails says the key is bad": (
        "adapters/remote.py",
        "            raise self._trouble(kind, f",
        "            return Refused(Reason.UNKNOWN)\n            raise self._trouble(kind, f",
        f"{FAILURES}::test_whatever_is_no_verdict_is_a_503[hangs up without a word]",
    ),
    "the asker's bad key makes the caller's bad": (
        "adapters/remote.py",
        "        raise self._unanswered(reply)",
        "        return Refused(Reason.UNKNOWN)",
        f"{FAILURES}::test_whatever_is_no_verdict_is_a_503[does not take the asker's key]",
    ),
    "a server that fails lets in": (
        "adapters/remote.py",
        "            if reply.status == HTTPStatus.OK:",
        "            if reply.body:",
        f"{FAILURES}::test_whatever_is_no_verdict_is_a_503[cannot, with a good verdict]",
    ),
    "a verdict that contradicts itself lets in": (
        "adapters/verdicts.py",
        'if told["valid"] is True and code == VALID and record',
        'if told["valid"] is True and record',
        f"{FAILURES}::test_whatever_is_no_verdict_is_a_503[good, and why not]",
    ),
    "what was charged is asked again": (
        "adapters/asking.py",
        "            return self._read(kept, deadline)\n",
        "            with suppress(OSError):\n                return self._read(kept, deadline)\n",
        f"{FAILURES}::test_a_question_that_was_taken_is_never_asked_twice",
    ),
    "a wait has no end": (
        "adapters/asking.py",
        "        left = self._end - self._elapsed()",
        "        left = 1.0",
        f"{FAILURES}::test_whatever_is_no_verdict_is_a_503[drips]",
    ),
    "children ask over their parent's connections": (
        "adapters/asking.py",
        "        if self._process != os.getpid():",
        "        if not self._kept:",
        f"{FAILURES}::test_a_fork_shares_no_connection[behind its back]",
    ),
    "more than a window is told": (
        "adapters/answers.py",
        "min(math.ceil(state.resets_at - now), _most_seconds(state.limit))",
        "math.ceil(state.resets_at - now)",
        f"{SERVERS}::test_what_is_told_is_never_more_than_a_window",
    ),
    "a cache spends no limits": (
        "adapters/remote.py",
        "isinstance(outcome, Accepted) and outcome.decision is None:",
        "isinstance(outcome, Accepted):",
        f"{SERVERS}::test_a_cache_holds_nothing_that_must_be_asked",
    ),
    "a cache has no end": (
        "adapters/remote.py",
        "if known is None or known.until <= self._clock.elapsed():",
        "if known is None:",
        f"{SERVERS}::test_a_cache_believes_a_good_answer_for_its_time_and_no_longer",
    ),
}
#: Those that are planted every time; the others take the long form.
QUICK = (
    "a server that fails says the key is bad",
    "a server that fails lets in",
    "what was charged is asked again",
)


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, MUTANTS.keys() - QUICK))
def test_the_tests_catch(fault: str, tmp_path: Path) -> None:
    """Each of these faults, planted in a copy of the source, makes the named test fail."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, test)
