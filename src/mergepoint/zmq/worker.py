"""Workers: threads that take one request at a time and send its answers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from time import monotonic

import msgspec
import zmq

from ..errors import DeadlineExceeded, Failure
from .address import Address, connect, keep_alive
from .answering import Answering, Answers
from .dispatcher import BYE, DONE, DROP, MORE, PING, READY
from .messages import Message, Request, read_request, reply_frames
from .running import Alarm

HEARTBEAT = 1.0
"""Seconds after which an idle worker says again that it is there."""

MOST_CREDIT = 512
"""Messages that may be on their way to one client at once, whatever it allows: they are held in memory."""

BLOCKED = 5000
"""Milliseconds that a worker tries to send; after that, whoever listens is taken for gone."""

logger = logging.getLogger("mergepoint")


class _Dropped(Exception):
    """Nobody wants the rest of the answers."""


class Crew:
    """The worker threads of a process.

    Args:
        context: of their sockets.
        to: where requests come from.
        answering: answers them.
        count: the threads.
        alarm: ends them when it rings: each after the request that it has.
        identity: the key pair that they show to a broker which wants to see one.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        to: Address,
        answering: Answering,
        count: int,
        alarm: Alarm,
        identity: tuple[bytes, bytes] | None = None,
    ) -> None:
        def work() -> None:
            socket = context.socket(zmq.DEALER)
            socket.sndtimeo, socket.linger = BLOCKED, 1000
            socket.immediate = True  # what a broker has not received when it dies is not for the next one
            keep_alive(socket)
            connect(socket, to, identity)
            with socket:
                Worker(socket, answering, alarm).run()

        names = (f"mergepoint-zmq-{number}" for number in range(count))
        self._threads = [threading.Thread(target=work, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> int:
        """Wait for the end of all, and return how many work on all the same: a thread cannot be ended from outside."""
        ends = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(ends - monotonic(), 0.0))
        return sum(thread.is_alive() for thread in self._threads)


class Worker:
    """One worker, in its own thread.

    Args:
        socket: a DEALER socket to the dispatcher.
        answering: answers requests.
        alarm: ends it.
    """

    def __init__(self, socket: zmq.Socket[bytes], answering: Answering, alarm: Alarm) -> None:
        self._socket = socket
        self._answering = answering
        self._alarm = alarm
        self._hello = [READY, msgspec.msgpack.encode(answering.repeatable)]
        self._poller = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(alarm.fd, zmq.POLLIN)

    def run(self) -> None:
        """Work until the alarm rings."""
        greeted = 0.0
        while not self._alarm.rung:
            if monotonic() - greeted >= HEARTBEAT:
                greeted = monotonic()
                with contextlib.suppress(zmq.Again):  # nobody is there yet
                    self._socket.send_multipart(self._hello, zmq.NOBLOCK)
            pause = greeted + HEARTBEAT - monotonic()
            if self._socket in dict(self._poller.poll(max(int(pause * 1000), 1))):
                self._take(self._socket.recv_multipart())
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart([BYE], zmq.NOBLOCK)

    def _take(self, frames: list[bytes]) -> None:
        if len(frames) != 2:
            return  # DROP came too late, or PING
        try:
            request = read_request(frames[0])
        except Failure:
            return  # the dispatcher answers those
        if request.kind in ("call", "ask", "stream"):
            # What the business code puts into context variables must not be there for the next request.
            copy_context().run(self._work, request, frames[1])

    def _work(self, request: Request, body: bytes) -> None:
        answer = self._answering.answer(request, body)
        try:
            if isinstance(answer, Answers):
                answer = _Flow(request, answer, self._send, self._heard).run()
            self._send(DONE, answer)
        except _Dropped:
            with contextlib.suppress(zmq.Again):
                self._socket.send_multipart([DONE], zmq.NOBLOCK)

    def _send(self, state: bytes, message: Message | None) -> None:
        try:
            self._socket.send_multipart([state, *(reply_frames(*message) if message else ())])
        except zmq.Again:
            raise _Dropped from None

    def _heard(self, seconds: float) -> list[bytes] | None:
        """Return what came in within this time."""
        if not self._socket.poll(int(seconds * 1000)):
            return None
        return self._socket.recv_multipart()


class _Flow:
    """Sends the answers of one request as fast as its client takes them."""

    def __init__(
        self,
        request: Request,
        answers: Answers,
        send: Callable[[bytes, Message | None], None],
        heard: Callable[[float], list[bytes] | None],
    ) -> None:
        self._credit = min(request.credit, MOST_CREDIT)
        self._answers = answers
        self._send = send
        self._heard = heard

    def run(self) -> Message:
        """Send all answers but the last, which is returned."""
        messages = self._answers.messages
        try:
            self._send(MORE, None)  # so that a client which goes away is missed
            while True:
                self._wait()
                message = next(messages)
                if message[0].kind == "end":
                    return message
                self._send(MORE, message)
                self._credit -= 1
        except _Dropped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a fault
            return self._answers.told(error)
        finally:
            _close(messages)

    def _wait(self) -> None:
        """Take in what the client says, and wait until it takes another item."""
        ends = monotonic() + self._answers.wait()
        while (frames := self._heard(0.0 if self._credit else max(ends - monotonic(), 0.0))) or not self._credit:
            if frames is None:
                raise DeadlineExceeded("The reader of the stream took too long.")
            self._listen(frames)

    def _listen(self, frames: list[bytes]) -> None:
        if frames == [DROP]:
            raise _Dropped
        if frames != [PING]:
            with contextlib.suppress(Failure):
                request = read_request(frames[0])
                if request.kind == "more":
                    self._credit = min(self._credit + request.credit, MOST_CREDIT)


def _close(messages: object) -> None:
    try:
        messages.close()  # type: ignore[attr-defined]  # they are a generator
    except Exception:
        logger.exception("The end of a stream that nobody wants any more failed")
