"""Call one method over and over from several threads, on as many channels: port, path, hex of the request, seconds."""

import sys
import threading
import time

import grpc

THREADS = 8


def call(port, path, request, until, counts):
    """Call until the time is over, and note how often."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        method = channel.unary_unary(path)
        count = 0
        while time.monotonic() < until:
            method(request)
            count += 1
    counts.append(count)


if __name__ == "__main__":
    port, path, request, seconds = sys.argv[1:]
    counts, until = [], time.monotonic() + float(seconds)
    threads = [
        threading.Thread(target=call, args=(port, path, bytes.fromhex(request), until, counts)) for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < THREADS:
        sys.exit("a call failed")
    print(sum(counts))
