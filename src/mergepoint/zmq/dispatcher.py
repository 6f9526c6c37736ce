"""Who does what: requests from clients, workers that are free, and what happens when one of either is gone."""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic
from typing import Any

import msgspec
import zmq

from ..errors import DeadlineExceeded, Failure, InvalidArgument, ResourceExhausted, Unavailable
from .messages import VERSION, Reply, Request, failed, number_of, read_request, reply_frames, request_frames

BACKLOG = 1000
"""Requests that wait for a worker; further ones are refused, for they would only wait in vain."""

PATIENCE = 2.0
"""Seconds that requests wait for a worker to come when there is none."""

ABSENCE = 5.0
"""Seconds after which an idle worker that has not said that it is there gets nothing any more."""

ATTEMPTS = 2
"""Workers that get a request which may be repeated: one that kills its worker must not kill them all."""

READY, MORE, DONE, BYE = b"ready", b"more", b"done", b"bye"
"""What a worker says: it is free; here is a part of the answer; here is the last part; it takes nothing more."""

DROP, PING = b"drop", b"ping"
"""What it is told besides requests: stop what you are doing; nothing at all."""

logger = logging.getLogger("mergepoint")


class Work(msgspec.Struct, eq=False):
    """A request that is not yet answered.

    Attributes:
        envelope: the frames that lead an answer to the client.
        request: its header.
        frames: header and body as they came.
        arrived: when it came, in seconds of `time.monotonic()`.
        worker: who has it; empty while it waits.
        begun: True if a part of the answer was sent, or it is a stream.
        attempts: the workers that have had it.
        over: True if nobody wants it any more.
    """

    envelope: list[bytes]
    request: Request
    frames: list[bytes]
    arrived: float
    worker: bytes = b""
    begun: bool = False
    attempts: int = 0
    over: bool = False

    @property
    def key(self) -> tuple[bytes, int]:
        """What names it: the client, and its number."""
        return self.envelope[0], self.request.id

    @property
    def expires(self) -> float:
        """When the time of its caller is over."""
        return float("inf") if self.request.seconds is None else self.arrived + self.request.seconds

    def onward(self, now: float) -> list[bytes]:
        """Return its frames with the time that is left."""
        if self.request.seconds is None or now - self.arrived < 0.001:
            return self.frames
        request = msgspec.structs.replace(self.request, seconds=max(self.expires - now, 0.0))
        return request_frames(request, self.frames[1])


class Dispatcher:
    """Hands each request to the worker that has been free the longest, and its answers to the client.

    Args:
        frontend: a ROUTER socket that clients talk to.
        backend: a ROUTER socket that workers talk to.
    """

    def __init__(self, frontend: zmq.Socket[bytes], backend: zmq.Socket[bytes]) -> None:
        self._frontend = frontend
        self._backend = backend
        self._ready: dict[bytes, float] = {}  # in the order in which they became free
        self._busy: dict[bytes, Work] = {}
        self._repeatable: dict[bytes, frozenset[str]] = {}
        self._works: dict[tuple[bytes, int], Work] = {}
        self._queue: deque[Work] = deque()
        self._probes: list[float] = []
        self._manned = 0.0  # when there last was a worker
        self.closing = False

    @property
    def idle(self) -> bool:
        """True if there is nothing to do."""
        return not self._works

    @property
    def pause(self) -> int:
        """The milliseconds after which `tick` shall be called."""
        return 20 if self._probes else 100 if self._queue else 1000

    # --- what clients say ---

    def requested(self, frames: list[bytes]) -> None:
        """Take in what a client sent."""
        client, *rest = frames
        envelope = [client]
        if rest and rest[0] == b"":  # of a REQ socket, which wants it back (RFC 28/REQREP)
            envelope.append(rest.pop(0))
        header = rest[0] if rest else b""
        try:
            if len(rest) not in (1, 2):
                raise InvalidArgument(f"Expected a header and a body, got {len(rest)} frames.")
            self._take(envelope, read_request(header), header, rest[1] if len(rest) == 2 else b"")
        except Failure as refusal:
            self._send(self._frontend, [*envelope, *failed(refusal, number_of(header))])

    def _take(self, envelope: list[bytes], request: Request, header: bytes, body: bytes) -> None:
        work = self._works.get((envelope[0], request.id))
        if request.kind == "more":
            if work and work.worker:
                self._send(self._backend, [work.worker, header, b""])
        elif request.kind == "cancel":
            if work:
                self._cancel(work)
        elif work:
            raise InvalidArgument(f"The number {request.id} is that of a request which is not yet answered.")
        else:
            self._accept(Work(envelope, request, [header, body], monotonic()))

    def _accept(self, work: Work) -> None:
        if self.closing:
            raise Unavailable("The service is shutting down.")
        if len(self._queue) >= BACKLOG:
            raise ResourceExhausted("Too many requests wait already; try again later.")
        self._works[work.key] = work
        self._queue.append(work)
        self._dispatch()

    def _cancel(self, work: Work) -> None:
        work.over = True
        if work.worker:
            self._send(self._backend, [work.worker, DROP])
        else:
            self._forget(work)

    # --- what workers say ---

    def reported(self, frames: list[bytes]) -> None:
        """Take in what a worker sent."""
        worker, state, *rest = frames
        if state == READY:
            if worker not in self._busy:  # a worker that was given something meanwhile has not seen it yet
                self._ready[worker] = monotonic()
                self._repeatable[worker] = _names(rest)
        elif state == MORE:
            self._part(worker, rest)
        elif state == DONE:
            self._done(worker, rest)
        elif state == BYE:
            self._leave(worker)
        self._dispatch()

    def _part(self, worker: bytes, answer: list[bytes]) -> None:
        work = self._busy.get(worker)
        if work is not None:
            work.begun = True
        if work is None or work.over or (answer and not self._send(self._frontend, [*work.envelope, *answer])):
            self._send(self._backend, [worker, DROP])

    def _done(self, worker: bytes, answer: list[bytes]) -> None:
        work = self._busy.pop(worker, None)
        if work is not None:
            self._forget(work)
            self._send(self._frontend, [*work.envelope, *answer])
        self._ready.pop(worker, None)  # so that it goes to the end of the line
        self._ready[worker] = monotonic()

    def _leave(self, worker: bytes) -> None:
        self._ready.pop(worker, None)
        self._repeatable.pop(worker, None)
        if work := self._busy.pop(worker, None):  # given to it on its way out, so it has not even been looked at
            work.worker = b""
            self._queue.appendleft(work)

    # --- what nobody says ---

    def suspect(self) -> None:
        """Learn that a connection broke: whose it was is found out by talking to everybody concerned."""
        now = monotonic()
        # ZeroMQ tells of it a little before it forgets the peer.
        soon = self._probes[0] if self._probes else now + 0.02
        self._probes = [soon, max(now + 0.5, soon)]

    def tick(self) -> None:
        """Do what is due: look after those who are gone, and requests whose time is over."""
        now = monotonic()
        if self._probes and self._probes[0] <= now:
            self._probes.pop(0)
            self._probe()
        for worker in [worker for worker, seen in self._ready.items() if now - seen > ABSENCE]:
            self._leave(worker)
        if self._queue:
            self._expire(now)

    def abandon(self) -> None:
        """Tell all callers that nothing will come any more."""
        for work in list(self._works.values()):
            self._refuse(work, Unavailable("The service shut down in the middle of the call."))
            if work.worker:
                self._send(self._backend, [work.worker, DROP])

    def _probe(self) -> None:
        for worker in [*self._busy, *self._ready]:
            if not self._send(self._backend, [worker, PING]):
                self._lost(worker)
        for work in [work for work in self._busy.values() if work.begun and len(work.envelope) == 1]:
            if not self._send(self._frontend, [*work.envelope, *reply_frames(Reply(VERSION, "ping"))]):
                self._cancel(work)
        self._dispatch()

    def _lost(self, worker: bytes) -> None:
        """Give up a worker: what it had goes to another one if it may be repeated, else its caller is told."""
        repeatable = self._repeatable.pop(worker, frozenset())
        self._ready.pop(worker, None)
        work = self._busy.pop(worker, None)
        if work is None:
            return
        logger.warning("A worker went away in the middle of request %r", work.request.request_id)
        work.worker = b""
        if work.request.operation in repeatable and not (work.begun or work.over) and work.attempts < ATTEMPTS:
            self._queue.appendleft(work)
        else:
            self._refuse(work, Unavailable("The worker that had the call went away."))

    def _expire(self, now: float) -> None:
        if self._ready or self._busy:
            self._manned = now
        for work in list(self._queue):
            if work.expires <= now:
                self._refuse(work, DeadlineExceeded())
            elif now - max(work.arrived, self._manned) > PATIENCE:
                self._refuse(work, Unavailable("No worker of the service is there."))
        self._queue = deque(work for work in self._queue if not work.over)

    # --- inside ---

    def _dispatch(self) -> None:
        while self._queue and self._ready:
            work = self._queue.popleft()
            now = monotonic()
            if work.over:
                continue
            if work.expires <= now:
                self._refuse(work, DeadlineExceeded())
                continue
            worker = next(iter(self._ready))
            del self._ready[worker]
            if self._send(self._backend, [worker, *work.onward(now)]):
                work.worker = worker
                work.attempts += 1
                self._busy[worker] = work
            else:
                self._queue.appendleft(work)

    def _refuse(self, work: Work, failure: Failure) -> None:
        work.over = True
        self._forget(work)
        self._send(self._frontend, [*work.envelope, *failed(failure, work.request.id)])

    def _forget(self, work: Work) -> None:
        self._works.pop(work.key, None)

    @staticmethod
    def _send(socket: zmq.Socket[bytes], frames: list[bytes]) -> bool:
        """Send, and return False if the peer is gone (ROUTER_MANDATORY) or has not read for long."""
        try:
            socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True


def _names(frames: list[bytes]) -> frozenset[str]:
    try:
        names: Any = msgspec.msgpack.decode(frames[0], type=frozenset[str]) if frames else ()
    except msgspec.DecodeError:
        names = ()
    return frozenset(names)
