"""Call the service over and over, from one thread or several: calls.py KIND ADDRESS SECONDS THREADS."""

import os
import sys
import threading
import time

import grpc
import shelf_pb2
import shelf_pb2_grpc

import shelf

RIGHT = shelf.ITEMS[7]


def place(address):
    """Return a call to the place."""
    os.environ["SHELF_PLACES"] = f"shelf={address}"
    app = shelf.create()
    _ = app.operations
    item = app.places["shelf"].proxy.item
    return lambda: item(7)


def by_hand(address):
    """Return a call by a generated stub; what it gives is made a record, as the place does."""
    stub = shelf_pb2_grpc.ShelfStub(grpc.insecure_channel(address))
    key = shelf_pb2.Key

    def call():
        got = stub.Get(key(id=7), timeout=10)
        return shelf.Item(got.id, got.name, got.price, got.quantity, got.active, got.category)

    return call


def repeat(call, until, counts):
    """Call until the time is over, and note how often."""
    count = 0
    while time.monotonic() < until:
        call()
        count += 1
    counts.append(count)


if __name__ == "__main__":
    kind, address, seconds, threads = sys.argv[1:]
    call = {"place": place, "by_hand": by_hand}[kind](address)
    assert call() == RIGHT, call()
    counts, until = [], time.monotonic() + float(seconds)
    callers = [threading.Thread(target=repeat, args=(call, until, counts)) for _ in range(int(threads))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    if len(counts) < int(threads):
        sys.exit("a call failed")
    print(sum(counts) / float(seconds))
