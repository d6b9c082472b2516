"""``keywright serve``."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from keywright.cli.common import data_dir_option

DRAIN_SECONDS = 30


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on (KEYWRIGHT_HOST).")
@click.option("--port", metavar="NUMBER", help="Port to listen on (KEYWRIGHT_PORT).")
@click.option("--workers", metavar="NUMBER", help="How many processes serve (KEYWRIGHT_WORKERS).")
@click.option("--tls-cert", metavar="PATH", help="Certificate chain, PEM (KEYWRIGHT_TLS_CERT).")
@click.option("--tls-key", metavar="PATH", help="Its private key, PEM (KEYWRIGHT_TLS_KEY).")
@data_dir_option
def command(**flags: str | None) -> None:
    """Serve the API until interrupted."""
    from keywright import settings as settings_module
    from keywright.server.process import forbid_core_dumps

    # Also this process, which only starts the others where there are several: it has had the secret in its memory.
    forbid_core_dumps()
    settings = settings_module.load(flags)
    _require_usable_tls(settings)
    _require_free_port(settings)
    # Worker processes read their settings anew; what was said on the command line must reach them.
    os.environ.update({settings_module.BY_NAME[name].variable: value for name, value in flags.items() if value})
    _first_start(settings)
    _run(settings)


def _require_usable_tls(settings: Any) -> None:
    """Read certificate and key before anything is said or made: the web server would end in a traceback over them."""
    import ssl

    from keywright.errors import Misconfigured

    if settings.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        message = f"tls_cert {settings.tls_cert} and tls_key {settings.tls_key} cannot be used: {error}."
        raise Misconfigured(message) from error


def _require_free_port(settings: Any) -> None:
    """Listen once, before anything is said or made: a port in use is the commonest reason not to start."""
    import socket

    from keywright.errors import Misconfigured

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        message = (
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}. Choose another host or port."
        )
        raise Misconfigured(message) from error


def _first_start(settings: Any) -> None:
    """What the first start makes: the data directory, the operator's account, one sample campaign."""
    from keywright.build import MASTER_SECRET_FILE, Keywright
    from keywright.clock import SystemClock
    from keywright.master import remove_stale_drafts
    from keywright.reference import campaigns, storage
    from keywright.server import log

    remove_stale_drafts(settings.data_dir / MASTER_SECRET_FILE, SystemClock.now())
    with Keywright(settings) as keywright:
        log.configure(settings.log_level, keywright.formats)
        operator = keywright.manager.operator_account()
        resources = storage.Resources(settings.data_dir)
        campaigns.ensure_sample(resources, operator.id)
        resources.close()
    scheme = "https" if settings.tls_cert else "http"
    click.echo(f"Keywright serves on {scheme}://{settings.host}:{settings.port}, data in {settings.data_dir}", err=True)
    click.echo(f'Make a key:  {sys.argv[0]} keys create "Production Server"', err=True)


def _run(settings: Any) -> None:
    import uvicorn

    uvicorn.run(
        "keywright.server.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        loop="uvloop",
        http="keywright.server.http:Protocol",
        ws="none",
        # We log ourselves, and believe only the proxies of the settings.
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
