"""Events: a command tells whoever listens what it did, and does not know who that is.

$ mergepoint run examples/events.py
$ python examples/events.py                          # in the same folder: prints what happens
$ curl -X POST http://127.0.0.1:8000/api/adopt -H 'Content-Type: application/json' -d '{"name": "Flap"}'
"""

import itertools
from dataclasses import dataclass

from mergepoint import App, Id, zmq

ADDRESS = "ipc://events.sock"  # a file of this folder; between machines it is tcp://host:port


@dataclass(frozen=True)
class Adopted:
    """An event: a bat was taken in."""

    id: Id
    name: str


def create(address: str = ADDRESS) -> App:
    """Build the application; it publishes from here on."""
    app = App("adoptions")
    events = zmq.publisher(address, Adopted)
    app.add(events)
    ids = itertools.count(1)

    @app.command
    def adopt(name: str) -> Adopted:
        """Take a bat in, and tell everybody."""
        event = Adopted(next(ids), name)
        events.publish(event)
        return event

    return app


def main() -> None:
    """Print the events as they come, and say how many were lost on the way."""
    with zmq.subscriber(ADDRESS, Adopted) as events:
        for event in events:
            print(f"{event.name} was adopted as number {event.id}; {events.lost} events were lost.", flush=True)


if __name__ == "__main__":
    main()
