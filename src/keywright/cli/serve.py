"""``keywright serve``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from keywright.cli.common import data_dir_option, me
from keywright.cli.output import ExitCode
from keywright.cli.whereabouts import Announcement, by_settings

Ready: TypeAlias = Callable[[], None]


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on (KEYWRIGHT_HOST).")
@click.option("--port", metavar="NUMBER", help="Port to listen on (KEYWRIGHT_PORT).")
@click.option("--workers", metavar="NUMBER", help="How many processes serve (KEYWRIGHT_WORKERS).")
@click.option("--tls-cert", metavar="PATH", help="Certificate chain, PEM (KEYWRIGHT_TLS_CERT).")
@click.option("--tls-key", metavar="PATH", help="Its private key, PEM (KEYWRIGHT_TLS_KEY).")
@data_dir_option
def command(**flags: str | None) -> int:
    """Serve the API until interrupted. Exit 0 if everything that was begun was finished and written."""
    from keywright import settings as settings_module
    from keywright.build import identity_provider
    from keywright.clock import SystemClock
    from keywright.server.counts import Board
    from keywright.server.listening import open_sockets
    from keywright.server.process import forbid_core_dumps
    from keywright.server.supervisor import Supervisor, rows_for

    # Also this process, which only starts the others where there are several: it has had the secret in its memory.
    forbid_core_dumps()
    settings = settings_module.load(flags)
    _require_usable_tls(settings)
    # Here too, and not only where it is used: the file of its secret is read.
    identity_provider(settings)
    # Before anything is said or made: a port in use is the commonest reason not to start.
    sockets = open_sockets(settings.host, settings.port)
    asked = open_sockets(settings.metrics_host, settings.metrics_port) if settings.metrics_port else []
    engine, setup = _first_start(settings)
    board = Board.make(rows_for(settings.workers))
    board.counts(0).put("keywright_start_time_seconds", value=SystemClock.now())
    if settings.metrics_port:
        _show_metrics(settings, board, asked, engine)
    # Worker processes read their settings anew; what was said on the command line must reach them.
    said = {settings_module.BY_NAME[name].variable: value for name, value in flags.items() if value}
    with Announcement(settings.data_dir) as announcement:
        ready = lambda: _tell(settings, setup, announcement)  # noqa: E731 - said once
        if settings.workers == 1:
            return _serve_here(settings, sockets, board, ready)
        supervisor = Supervisor(settings.workers, sockets, {**os.environ, **said}, board, ready)
        return ExitCode.OK if supervisor.run() else ExitCode.ERROR


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


def _show_metrics(settings: Any, board: Any, sockets: list[Any], engine: str) -> None:
    from keywright.errors import Misconfigured
    from keywright.server.listening import cannot_listen
    from keywright.server.metrics import show

    try:
        show(board, sockets, engine)
    except OSError as error:
        raise Misconfigured(cannot_listen(settings.metrics_host, settings.metrics_port, error)) from error


def _first_start(settings: Any) -> tuple[str, str | None]:
    """What the first start makes: the data directory, the operator's account, one sample campaign. Answers the name of
    the engine that holds it, and the token of the setup link as long as there is no owner."""
    from keywright.build import MASTER_SECRET_FILE, Keywright
    from keywright.clock import SystemClock
    from keywright.master import remove_stale_drafts
    from keywright.reference import campaigns, storage
    from keywright.server import log

    with Keywright(settings) as keywright:
        remove_stale_drafts(settings.data_dir / MASTER_SECRET_FILE, SystemClock.now())
        log.configure(settings.log_level, keywright.formats)
        operator = keywright.manager.operator_account()
        resources = storage.Resources(settings.data_dir)
        campaigns.ensure_sample(resources, operator.id)
        resources.close()
        setup = None if keywright.entry.is_claimed() else keywright.entry.new_setup_token(me())
        return str(keywright.store.engine()), setup


def _tell(settings: Any, setup: str | None, announcement: Announcement) -> None:
    """Say that requests are answered from now on, and where the console is."""
    from keywright.cli.admin import link

    announcement.make(by_settings(settings))
    scheme = "https" if settings.tls_cert else "http"
    click.echo(f"Keywright serves on {scheme}://{settings.host}:{settings.port}, data in {settings.data_dir}", err=True)
    click.echo(f'Make a key:  {_command(settings, "keys", "create")} "Production Server"', err=True)
    if setup:
        click.echo(f"First run:   {link(settings, '/setup', setup)}   (once, 30 minutes)", err=True)
        click.echo(f"Lost it?     {_command(settings, 'admin', 'setup-token')}", err=True)
    else:
        click.echo(f"Console:     {link(settings, '/')}", err=True)


def _command(settings: Any, *words: str) -> str:
    """A command as it can be typed in another terminal, which knows neither the flags nor the variables of this one."""
    from keywright.settings import SETTINGS_FILE

    program = sys.argv[0]
    called = [sys.executable, "-m", "keywright"] if Path(program).name == "__main__.py" else [program]
    elsewhere = settings.origins["data_dir"] not in ("default", SETTINGS_FILE)
    where = ["--data-dir", str(settings.data_dir.absolute())] if elsewhere else []
    return shlex.join([*called, *words, *where])


def _serve_here(settings: Any, sockets: list[Any], board: Any, ready: Ready) -> ExitCode:
    """Serve in this process: there is only one."""
    from keywright.errors import Misconfigured
    from keywright.server.listening import cannot_listen
    from keywright.server.serving import Process

    process = Process(settings, sockets, alone=True, signals=_stopping_signals(), counts=board.counts(0))
    process.when_ready(ready)
    try:
        return ExitCode.OK if process.run() else ExitCode.ERROR
    except OSError as error:
        raise Misconfigured(cannot_listen(settings.host, settings.port, error)) from error


def _stopping_signals() -> list[signal.Signals]:
    wanted = [signal.SIGTERM, signal.SIGINT]
    # A terminal that closes ends the server in order too, unless somebody started it to outlive that (nohup).
    return wanted if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*wanted, signal.SIGHUP]
