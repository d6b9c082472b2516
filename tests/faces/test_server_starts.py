"""A real server, the smallest conversation with it."""

from __future__ import annotations

from support.servers import Server


def test_a_key_from_the_command_line_works_over_http(server: Server) -> None:
    """What the command line makes, the running server accepts at once."""
    key = server.key()["key"]

    answer = server.request("GET", "/v1/subscriptions", key)

    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Remaining"] == "99"
