"""What in ``deploy/`` cannot be run here, read: Traefik's configuration, and the unit for systemd."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from keywright.server.gate import dialects, identity
from keywright.server.gate.gate import PATH
from keywright.settings import TABLE, load
from support.proxies import DEPLOY, PROXIES

UNIT, ENVIRONMENT = DEPLOY / "systemd" / "keywright.service", DEPLOY / "systemd" / "keywright.env"


def traefik() -> dict[str, Any]:
    """The part of the configuration that says something."""
    whole: dict[str, Any] = yaml.safe_load((DEPLOY / "traefik" / "keywright.yaml").read_text("utf-8"))
    return whole["http"]  # type: ignore[no-any-return]


def unit() -> configparser.ConfigParser:
    """The unit as systemd would read it."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text("utf-8"))
    return parser


def variables(text: str) -> dict[str, str]:
    """The variables of an environment file, those that are commented out as well."""
    return dict(re.findall(r"^#?(KEYWRIGHT_\w+)=(.*)$", text, re.MULTILINE))


def test_traefik_asks_a_route_of_its_dialect() -> None:
    """The address is a built-in route of the gate's whose refusals carry their bodies."""
    asked = traefik()["middlewares"]["keywright"]["forwardAuth"]
    path = urlsplit(asked["address"]).path
    name = path.removeprefix(PATH).strip("/") or "plain"

    assert path == PATH
    assert dialects.TABLE[load({}, environment={}).gate_routes[name].dialect] == dialects.TABLE["plain"]
    assert asked["trustForwardHeader"] is False
    assert {"X-API-Key", "Authorization"} <= set(asked["authRequestHeaders"])


def test_traefik_drops_every_forged_name_first() -> None:
    """All names, in all three spellings, go before the gate is asked; the gate's are copied, and the key goes last."""
    middlewares = traefik()["middlewares"]
    dropped = middlewares["forged"]["headers"]["customRequestHeaders"]
    spelled = {name.replace("-", separator) for name in identity.NAMES for separator in "-_."}

    assert dropped == dict.fromkeys(spelled, "")
    assert middlewares["keywright"]["forwardAuth"]["authResponseHeaders"] == list(identity.NAMES)
    assert middlewares["key"]["headers"]["customRequestHeaders"] == {"X-API-Key": "", "Authorization": ""}
    assert traefik()["routers"]["application"]["middlewares"] == ["forged", "keywright", "key"]


@pytest.mark.parametrize("name", ["nginx", "caddy", "haproxy"])
def test_every_name_of_the_gates_is_set(name: str) -> None:
    """A name that the gate gets one day is not forgotten in a configuration that lists them."""
    text = "".join(PROXIES[name].text().values()).lower()
    assert [each for each in identity.NAMES if each.lower() not in text] == []


def test_the_environment_file_holds_settings() -> None:
    """Every variable is a setting, with a value that is one."""
    found = variables(ENVIRONMENT.read_text("utf-8"))
    names = {setting.name for setting in TABLE}

    assert "KEYWRIGHT_DATA_DIR" in found
    assert {name.removeprefix("KEYWRIGHT_").lower() for name in found} - {"config"} <= names
    load({}, environment={name: value for name, value in found.items() if name != "KEYWRIGHT_CONFIG"})


def test_the_unit_stops_and_reloads_as_the_server_does() -> None:
    """SIGTERM to the first process alone, with time to finish; SIGHUP to replace the workers; nothing to write but the
    data directory, which is the one that the environment file names."""
    service = unit()["Service"]

    assert service["ExecStart"].endswith("/keywright serve")
    assert (service["KillMode"], service["ExecReload"]) == ("mixed", "/bin/kill -HUP $MAINPID")
    assert int(service["TimeoutStopSec"]) > 30
    assert (service["ProtectSystem"], service["LimitCORE"]) == ("strict", "0")
    data_dir = variables(ENVIRONMENT.read_text("utf-8"))["KEYWRIGHT_DATA_DIR"]
    assert data_dir == "/var/lib/" + service["StateDirectory"]


def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    """systemd itself finds nothing that it does not know."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub("^ExecStart=.*$", "ExecStart=/bin/true", UNIT.read_text("utf-8"), flags=re.MULTILINE))
    done = subprocess.run(
        [program, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=60
    )
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
