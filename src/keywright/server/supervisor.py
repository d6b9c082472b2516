"""Several serving processes on the same sockets, and the one that starts, watches, replaces and stops them.

A worker counts as ready when it says so itself: its application is built, the store has answered, and it accepts. A
worker that dies is replaced at once; one that keeps dying, after a pause that grows; one that does not move is killed
first. Where no worker can start at all the server ends, and says why. A stop lets nobody new in, waits for the workers
to finish, and kills what does not end. Should this process itself be killed, the workers notice it and stop.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from types import FrameType

from keywright.clock import SystemClock
from keywright.errors import Misconfigured
from keywright.server.counts import Board
from keywright.server.listening import close_all, have_waiting, stop_arrivals
from keywright.server.serving import DRAIN_SECONDS, TAKE_IN_SECONDS
from keywright.server.worker import ALIVE, FAILED, READY, WorkerExit

#: How long a worker may take to become ready.
START_SECONDS = 60.0
#: How long a worker may say nothing; it says something each second.
HUNG_SECONDS = 10.0
#: A worker that served for so long and then died is replaced without a pause, whatever came before it.
STABLE_SECONDS = 10.0
#: So many deaths in a row, and no worker that serves: it cannot work.
MAX_FAILURES = 5
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
#: What a worker may take, beyond the time to finish requests, to write and close.
CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_MESSAGE_BYTES = 65_536

_log = logging.getLogger("keywright.supervisor")


class State(Enum):
    """How far a worker is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Worker:
    """One worker process, and what it said."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        environment: Mapping[str, str],
        board: Board,
        row: int,
        now: float,
    ) -> None:
        self.row = row
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        listening = [each.fileno() for each in sockets]
        arguments = [theirs.fileno(), board.descriptor, board.rows, row, *listening]
        # What this process can import, the worker can, and not what happens to lie in the current directory.
        paths = [os.path.abspath(each) for each in sys.path]
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, by the interpreter that runs us
                [sys.executable, "-P", "-m", "keywright.server.worker", *map(str, arguments)],
                env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
                pass_fds=[theirs.fileno(), board.descriptor, *listening],
                stdin=subprocess.DEVNULL,
            )
        self.state = State.STARTING
        self.was_ready = False
        #: When it said something last, or when its state changed.
        self.heard_at = now
        self.ready_at = now
        self.complaint = ""

    @property
    def patience_seconds(self) -> float:
        """How long nothing may be heard of it."""
        return {
            State.STARTING: START_SECONDS,
            State.READY: HUNG_SECONDS,
            State.STOPPING: DRAIN_SECONDS + CLOSE_SECONDS,
        }[self.state]

    def read(self, now: float) -> bool:
        """Take in one message; False if the worker is gone."""
        try:
            message = self.control.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if message == READY:
            self.state, self.was_ready, self.ready_at = State.READY, True, now
        elif message.startswith(FAILED):
            self.complaint = message.removeprefix(FAILED).decode(errors="replace")
        if message in (READY, ALIVE) and self.state is not State.STOPPING:
            self.heard_at = now
        return bool(message)

    def stop(self, now: float) -> None:
        """Ask it to end; asked a second time, it ends quickly."""
        if self.state is not State.STOPPING:
            self.state, self.heard_at = State.STOPPING, now
        self.process.send_signal(signal.SIGTERM)

    def reap(self) -> int:
        """What it ended with. It has let go of its end of the socket, so it ends now, or is made to."""
        self.control.close()
        try:
            return self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Place:
    """Where one worker belongs, and how those did that were there."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.failures = 0
        self.start_at = 0.0

    def failed(self, worker: Worker, now: float) -> None:
        """The worker is gone that should have stayed: decide when the next one starts."""
        self.worker = None
        if worker.was_ready and now - worker.ready_at >= STABLE_SECONDS:
            self.failures = 0
        self.failures += 1
        self.start_at = now + pause_seconds(self.failures)


def pause_seconds(failures: int) -> float:
    """How long to wait after so many deaths in a row: not at all after the first, then twice as long each time."""
    if failures <= 1:
        return 0.0
    return float(min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (failures - 2)))


def rows_for(workers: int) -> int:
    """How many rows of counts are needed: one for itself, one for each worker, and one while one is being replaced."""
    return workers + 2


class Supervisor:
    """Runs the workers.

    Args:
        sockets: bound; they are closed at the end.
        environment: what the workers read their settings from.
        board: with `rows_for` as many rows.
        ready: called once, when every worker is.
    """

    def __init__(
        self,
        count: int,
        sockets: Sequence[socket.socket],
        environment: Mapping[str, str],
        board: Board,
        ready: Callable[[], None],
    ) -> None:
        self._board = board
        self._free_rows = list(range(1, board.rows))
        self._sockets = list(sockets)
        self._environment = dict(environment)
        self._tell_ready: Callable[[], None] | None = ready
        self._now = SystemClock.elapsed
        self._places = [Place() for _ in range(count)]
        #: Workers that were replaced while they served, and have yet to end.
        self._leaving: list[Worker] = []
        self._to_roll: list[Place] = []
        self._rolling: tuple[Place, Worker] | None = None
        self._served = False
        self._stopping = False
        self._clean = True
        self._verdict = ""
        self._heard: list[int] = []
        self._selector = selectors.DefaultSelector()

    def run(self) -> bool:
        """Serve until asked to stop; whether every worker ended in order.

        Raises:
            Misconfigured: no worker can start; the message says why, as far as that is known.
        """
        with self._signals():
            try:
                while not (self._stopping and not self._all()):
                    self._look()
            finally:
                self._kill_all()
                close_all(self._sockets)
        if self._verdict:
            raise Misconfigured(self._verdict)
        return self._clean

    def _look(self) -> None:
        self._start_due()
        before = self._now()
        ready = self._selector.select(self._wait_seconds(before))
        now = self._now()
        if now - before > _LOOK_SECONDS + HUNG_SECONDS / 4:
            # It was this process that did not move, and the workers with it, perhaps: they get their time anew.
            for each in self._all():
                each.heard_at = now
        for key, _ in ready:
            if isinstance(key.data, Worker):
                self._hear(key.data, now)
            else:
                key.data()
        for number in self._take_signals():
            self._obey(number)
        for each in self._all():
            if now - each.heard_at > each.patience_seconds:
                self._kill(each)

    def _wait_seconds(self, now: float) -> float:
        due = [place.start_at - now for place in self._places if place.worker is None and not self._stopping]
        return max(0.0, min([_LOOK_SECONDS, *due]))

    def _start_due(self) -> None:
        if self._stopping:
            return
        now = self._now()
        for place in self._places:
            if place.worker is None and place.start_at <= now:
                place.worker = self._start()
        if self._to_roll and self._rolling is None and not self._leaving:
            self._rolling = (self._to_roll.pop(0), self._start())

    def _start(self) -> Worker:
        worker = Worker(self._sockets, self._environment, self._board, self._free_rows.pop(0), self._now())
        self._selector.register(worker.control, selectors.EVENT_READ, worker)
        return worker

    def _all(self) -> list[Worker]:
        rolling = [self._rolling[1]] if self._rolling else []
        return [*(place.worker for place in self._places if place.worker), *self._leaving, *rolling]

    def _hear(self, worker: Worker, now: float) -> None:
        was = worker.state
        if not worker.read(now):
            self._selector.unregister(worker.control)
            code = worker.reap()
            self._board.retire(worker.row)
            self._free_rows.append(worker.row)
            self._ended(worker, code)
        elif was is State.STARTING and worker.state is State.READY:
            self._joined(worker)

    def _joined(self, worker: Worker) -> None:
        _log.info("Worker %d serves.", worker.process.pid)
        if self._rolling and self._rolling[1] is worker:
            place, self._rolling = self._rolling[0], None
            old, place.worker, place.failures = place.worker, worker, 0
            if old is not None:
                self._leaving.append(old)
                old.stop(self._now())
        if all(place.worker and place.worker.state is State.READY for place in self._places):
            self._served = True
            if self._tell_ready is not None:
                self._tell_ready()
                self._tell_ready = None

    def _ended(self, worker: Worker, code: int) -> None:
        pid = worker.process.pid
        if worker in self._leaving:
            self._leaving.remove(worker)
            self._clean = self._clean and code == WorkerExit.CLEAN
        elif self._rolling and self._rolling[1] is worker:
            self._rolling = None
            self._to_roll.clear()
            if not self._stopping:
                _log.error("Worker %d did not start%s; the others are kept.", pid, _because(worker))
        else:
            place = next(each for each in self._places if each.worker is worker)
            if self._stopping:
                place.worker = None
                self._clean = self._clean and (code == WorkerExit.CLEAN or not worker.was_ready)
                return
            self._board.counts(0).add("keywright_worker_restarts_total")
            place.failed(worker, self._now())
            how = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
            wait = pause_seconds(place.failures)
            _log.error("Worker %d %s%s; another starts in %.1f seconds.", pid, how, _because(worker), wait)
            self._judge(worker, place)

    def _judge(self, worker: Worker, place: Place) -> None:
        """End, where another attempt would be no better."""
        if any(each.state is State.READY for each in self._all()):
            return
        if (worker.complaint and not self._served) or place.failures >= MAX_FAILURES:
            self._verdict = worker.complaint or "No worker process can start, or stay. The log says more."
            self._stop()

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            if not self._stopping:
                _log.info("Every worker is replaced, one after the other.")
                self._to_roll = list(self._places)
        else:
            self._stop()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            _log.info("Stopping: what was asked is answered, for up to %d seconds.", DRAIN_SECONDS)
            stop_arrivals(self._sockets)
        now = self._now()
        for each in self._all():
            each.stop(now)
        deadline = now + TAKE_IN_SECONDS
        # The workers accept who has come; as long as this process has the sockets open, nobody is torn down.
        while self._all() and have_waiting(self._sockets) and self._now() < deadline:
            SystemClock.pause(0.005)
        close_all(self._sockets)
        self._sockets.clear()

    def _kill(self, worker: Worker) -> None:
        _log.error("Worker %d does not move, %s; it is killed.", worker.process.pid, worker.state.value)
        worker.process.kill()
        worker.heard_at = self._now()
        if worker.state is State.STOPPING:
            self._clean = False

    def _kill_all(self) -> None:
        for each in self._all():
            each.process.kill()
            each.reap()
        self._selector.close()

    def _take_signals(self) -> list[int]:
        heard, self._heard = self._heard, []
        return heard

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Hear signals, at once also while nothing else happens."""

        def hear(number: int, frame: FrameType | None) -> None:
            self._heard.append(number)

        wanted = [signal.SIGTERM, signal.SIGINT]
        # Ignored where somebody started us to outlive a terminal (nohup); that stays so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            wanted.append(signal.SIGHUP)
        reading, writing = socket.socketpair()
        with reading, writing:
            for each in (reading, writing):
                each.setblocking(False)
            self._selector.register(reading, selectors.EVENT_READ, lambda: reading.recv(4096))
            waking = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
            before = {each: signal.signal(each, hear) for each in wanted}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(waking)


def _because(worker: Worker) -> str:
    return f" ({worker.complaint})" if worker.complaint else ""
