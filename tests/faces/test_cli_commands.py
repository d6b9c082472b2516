"""The command line as scripts and people use it, on the data directory of a server that is running."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.servers import Server

KEY_ID = re.compile(r"key_[0-9A-Za-z]{9}")
LWA = re.compile(r"lwa\.sk_live_[0-9A-Za-z]{32}")
SS = re.compile(r"ss_[0-9A-Za-z]{32}")
SHOWN = ("id", "name", "last_used_at", "created_at", "prefix", "hint", "environment", "status", "scopes", "expires_at",
         "rate_limit", "networks", "metadata")  # fmt: skip
CREATED = ("id", "name", "key", "prefix", "last_used_at", "created_at", "hint", "environment", "status", "scopes",
           "expires_at", "rate_limit", "networks", "metadata")  # fmt: skip


def _json(server: Server, *arguments: str) -> Any:
    done = server.command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    """An account of these tests' own."""
    return server.account("Command line")


def test_piped_create_prints_the_bare_key_and_nothing_else(server: Server, account: str) -> None:
    """`keywright keys create ci | gh secret set API_KEY` puts exactly the key there."""
    done = server.command("keys", "create", "ci", "--account", account)

    assert done.returncode == 0
    assert done.stdout == done.stdout.strip() + "\n"
    assert LWA.fullmatch(done.stdout.strip())
    assert done.stderr == ""
    server.canaries.append(done.stdout.strip())
    assert server.request("GET", "/v1/account", done.stdout.strip()).status_code == 200


def test_create_as_json_has_the_members_of_the_api_in_their_order(server: Server, account: str) -> None:
    """Scripts that read `--json` find the same members, in the same order, as callers of the API."""
    made = server.key("JSON", "--account", account)

    assert tuple(made) == CREATED
    assert KEY_ID.fullmatch(made["id"])
    assert LWA.fullmatch(made["key"])
    assert made["key"].endswith(made["hint"])
    assert (made["scopes"], made["rate_limit"], made["expires_at"], made["status"]) == (
        ["*"],
        "100/15m",
        None,
        "active",
    )


def test_create_takes_every_option(server: Server, account: str) -> None:
    """What the options say is what the key may do, there and then, on the running server."""
    rights = ("--environment", "test", "--scope", "keys:read", "--scope", "account:read", "--network", "127.0.0.0/8")
    life = ("--limit", "3/15m", "--limit", "2/h", "--expires", "90d")
    options = ("--account", account, "--format", "lwa", *rights, *life)
    made = server.key("Options", *options)

    assert made["prefix"] == "lwa.sk_test_"
    assert made["environment"] == "test"
    assert made["scopes"] == ["account:read", "keys:read"]
    assert made["rate_limit"] == ["3/15m", "2/h"]
    assert made["networks"] == ["127.0.0.0/8"]
    assert made["expires_at"] is not None
    codes = [server.request("GET", "/v1/account", made["key"]).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert server.request("GET", "/v1/subscriptions", made["key"]).status_code == 429


def test_the_other_format_and_no_limit(server: Server, account: str) -> None:
    """`--format ss` makes the second document's keys; `--limit none` makes one that is never metered."""
    made = server.key("SS", "--account", account, "--format", "ss", "--limit", "none")

    assert SS.fullmatch(made["key"])
    assert made["rate_limit"] is None
    answer = server.request("GET", "/v1/account", made["key"])
    assert answer.status_code == 200
    assert "X-RateLimit-Limit" not in answer.headers


def test_the_running_server_follows_the_command_line_at_once(server: Server, account: str) -> None:
    """S55: between the command's end and the next request there is no moment in which the old state holds."""
    made = server.key("Followed", "--account", account)
    assert server.request("GET", "/v1/account", made["key"]).status_code == 200

    for command, status in (("disable", 401), ("enable", 200), ("delete", 401)):
        more = ("--yes",) if command == "delete" else ()
        assert server.command("keys", command, made["id"], "--account", account, *more).returncode == 0
        assert server.request("GET", "/v1/account", made["key"]).status_code == status, command


def test_rotate_prints_the_successor_and_ends_the_old_key(server: Server, account: str) -> None:
    """With a grace both work; without one the old key is refused as soon as the new one is known. A key that is to end
    is renewed with ``--expires``; without it the command says that it was not."""
    first = server.key("Rotated", "--account", account, "--expires", "1h")
    renewed = server.command(
        "keys", "rotate", first["id"], "--account", account, "--grace", "1h", "--expires", "never", "--json"
    )
    second = json.loads(renewed.stdout)
    too_long = server.command("keys", "rotate", second["id"], "--account", account, "--grace", "100d")
    assert (too_long.returncode, too_long.stderr) == (2, "Error: --grace must be a span from 0 to 90d.\n")
    third = server.command("keys", "rotate", second["id"], "--account", account, "--grace", "0")
    server.canaries += [second["key"], third.stdout.strip()]

    assert tuple(second) == CREATED
    assert LWA.fullmatch(third.stdout.strip())
    statuses = [server.request("GET", "/v1/account", key).status_code for key in
                (first["key"], second["key"], third.stdout.strip())]  # fmt: skip
    assert statuses == [200, 401, 200]
    assert _json(server, "keys", "show", first["id"], "--account", account)["status"] == "rotating"
    assert (second["expires_at"], renewed.stderr) == (None, "")
    ending = server.key("Ending", "--account", account, "--expires", "1h")
    same = server.command("keys", "rotate", ending["id"], "--account", account)
    server.canaries.append(same.stdout.strip())
    assert same.stderr == (
        f"Note: The new key ends at {ending['expires_at']}, as the old one would have. --expires gives another end.\n"
    )


def test_a_reference_is_an_id_a_name_or_prefix_and_last_four(server: Server, account: str) -> None:
    """A key can be named by whatever people have at hand, and never by the key itself."""
    made = server.key("Referred to", "--account", account)
    references = (made["id"], "Referred to", f"{made['prefix']}...{made['hint']}", f"{made['prefix']}…{made['hint']}")

    for reference in references:
        shown = _json(server, "keys", "show", reference, "--account", account)
        assert tuple(shown) == SHOWN
        assert shown["id"] == made["id"]
    assert server.command("keys", "show", made["id"]).returncode == 3, "another account's key"


def test_lists_are_lists_also_when_they_are_empty(server: Server) -> None:
    """`--json` is a list whatever there is in it, so that scripts need no special case."""
    empty = server.account("Nothing in it")

    assert _json(server, "keys", "list", "--account", empty) == []
    assert _json(server, "campaigns", "list", "--account", empty) == []
    assert server.command("keys", "list", "--account", empty).stdout == ""
    assert "Nothing in it" in [each["name"] for each in _json(server, "accounts", "list")]


def test_a_list_is_oldest_first_and_tab_separated_where_it_is_piped(server: Server) -> None:
    """`keywright keys list | cut -f1` gives ids: no frame, no header, no colour."""
    fresh = server.account("Three keys")
    made = [server.key(name, "--account", fresh)["id"] for name in ("b", "a", "c")]

    piped = server.command("keys", "list", "--account", fresh, environment={"FORCE_COLOR": "1"})

    assert [line.split("\t")[0] for line in piped.stdout.splitlines()] == made
    assert "\x1b" not in piped.stdout
    assert [each["id"] for each in _json(server, "keys", "list", "--account", fresh)] == made


def test_accounts_are_named_by_id_or_by_name(server: Server) -> None:
    """`--account` takes what `accounts create` printed, or the name; a name that two have is refused."""
    made = _json(server, "accounts", "create", "By name")
    assert tuple(made) == ("id", "name", "created_at", "account_rate_limit", "status")

    assert server.command("keys", "list", "--account", "By name").returncode == 0
    assert server.command("accounts", "create", "By name").stdout.startswith("acc_")
    assert server.command("keys", "list", "--account", "By name").returncode == 6
    assert server.command("keys", "list", "--account", made["id"]).returncode == 0


def test_campaigns_list_shows_the_sample(server: Server) -> None:
    """Whoever pastes the second document's sample finds a campaign id to put in it."""
    listed = _json(server, "campaigns", "list")

    assert listed[0].keys() == {"id", "name", "deployed", "created_at"}
    assert listed[0]["deployed"] is True
    assert server.command("campaigns", "list").stdout.startswith(listed[0]["id"] + "\t")


def test_verify_reads_the_key_from_standard_input(server: Server, account: str) -> None:
    """Exit 0 for a good key, 5 for any other with the reason on standard error; the key is in no argument."""
    made = server.key("Verified", "--account", account, "--scope", "keys:read")
    good = server.command("verify", stdin=made["key"] + "\n")
    lacking = server.command("verify", "--scope", "keys:write", stdin=made["key"])
    server.command("keys", "delete", made["id"], "--account", account, "--yes")
    gone = server.command("verify", stdin=made["key"])

    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert (lacking.returncode, lacking.stdout) == (5, "")
    assert "scope" in lacking.stderr
    assert (gone.returncode, gone.stdout) == (5, "")
    assert gone.stderr == "Not valid: unknown\n"


@pytest.mark.parametrize(
    "text", ["", "\n", "foo", "lwa.wrong", "\x00\xff", "x" * 1_000_000, "🔑"], ids=lambda text: text[:9]
)
def test_verify_refuses_what_is_no_key(server: Server, text: str) -> None:
    """Whatever is piped in, the answer is "not valid", never a fault of the command."""
    done = server.command("verify", "--json", stdin=text)

    assert done.returncode == 5
    assert json.loads(done.stdout) == {"valid": False, "reason": "malformed"}


def test_verify_as_json_names_the_key(server: Server, account: str) -> None:
    """A script learns whose key it was, without seeing anything that would let it be used."""
    made = server.key("Verified as JSON", "--account", account)

    done = server.command("verify", "--json", stdin=made["key"])

    assert json.loads(done.stdout) == {
        "valid": True, "reason": "accepted", "id": made["id"], "name": "Verified as JSON", "account_id": account,
    }  # fmt: skip


def test_verify_takes_what_it_is_told_to(server: Server, account: str) -> None:
    """``--cost`` is charged whole or refused whole, and is never less than one."""
    key = server.key("Costly", "--account", account, "--limit", "5/h sliding")
    for no_address in ("zz", "10.0.0.0/8"):
        assert server.command("verify", "--address", no_address, stdin=key["key"]).returncode == 2
    codes = [server.command("verify", "--cost", cost, stdin=key["key"]).returncode for cost in ("3", "3", "2", "1")]
    assert codes == [0, 5, 0, 5]
    assert server.command("verify", "--cost", "0", stdin=key["key"]).returncode == 2


def test_verify_counts_like_any_other_request(server: Server, account: str) -> None:
    """A verification by the command line takes from the limit that the server keeps, and from no other."""
    made = server.key("Counted", "--account", account, "--limit", "2/h")

    codes = [server.command("verify", stdin=made["key"]).returncode for _ in range(2)]

    assert codes == [0, 0]
    assert server.request("GET", "/v1/account", made["key"]).status_code == 429
    assert server.command("verify", stdin=made["key"]).returncode == 5


def test_doctor_finds_a_healthy_installation(server: Server) -> None:
    """`doctor` tells what it checked and where each setting comes from; it exits 0 where all is well."""
    found = _json(server, "doctor")

    assert found["ok"] is True
    assert all(check["ok"] for check in found["checks"])
    origins = {setting["name"]: setting["origin"] for setting in found["settings"]}
    assert origins["data_dir"] == "KEYWRIGHT_DATA_DIR"
    assert origins["port"] == "default"
    assert server.command("doctor").returncode == 0


def test_doctor_says_what_is_wrong(server: Server) -> None:
    """A data directory that others can read is found, and the exit code tells a script."""
    mode = server.data_dir.stat().st_mode
    server.data_dir.chmod(0o755)
    try:
        done = server.command("doctor", "--json")
    finally:
        server.data_dir.chmod(mode)

    assert done.returncode == 1
    wrong = [check["check"] for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert wrong == ["data directory is private"]


def test_doctor_hides_the_master_secret(server: Server) -> None:
    """A secret in the environment is shown to be there, and not shown."""
    secret = (server.data_dir / "master.secret").read_text().strip()

    done = server.command("doctor", "--json", environment={"KEYWRIGHT_MASTER_SECRET": secret})

    assert done.returncode == 0
    assert secret.partition(":")[2] not in done.stdout + done.stderr


def test_a_data_directory_may_have_any_name(server: Server) -> None:
    """What a path is called never decides where the database goes: all of it is in the directory that was named."""
    for name in ("a?b=c", "a%20#b@c", "déjà vu"):
        directory = server.data_dir.parent / "odd" / name
        done = server.command("keys", "create", "x", "--data-dir", str(directory))
        assert done.returncode == 0, done.stderr
        assert {each.name for each in directory.iterdir()} >= {"keywright.db", "usage.db", "master.secret"}
        assert server.command("campaigns", "list", "--data-dir", str(directory)).returncode == 0
        assert (directory / "resources.db").exists()
    assert len(list((server.data_dir.parent / "odd").iterdir())) == 3
