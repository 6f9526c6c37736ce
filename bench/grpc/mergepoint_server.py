"""Serve the app with Mergepoint; the port is the argument."""

import sys

import stock
from mergepoint import grpc

THREADS = 8

if __name__ == "__main__":
    server = grpc.server(stock.build(), address=f"127.0.0.1:{sys.argv[1]}", threads=THREADS)
    server.start()
    server.wait()
