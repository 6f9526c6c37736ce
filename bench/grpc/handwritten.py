"""The same service as grpcio's documentation shows it: generated code, a servicer, a pool of threads."""

import sys
from concurrent import futures

import grpc
import stock_pb2
import stock_pb2_grpc

import stock
from mergepoint_server import THREADS


def message(item):
    """Return an item as its message."""
    return stock_pb2.Item(
        id=item.id, name=item.name, price=item.price, tags=item.tags, active=item.active, note=item.note
    )


def check(item):
    """Say what is wrong with an item, or return None: the limits that the record has."""
    for name in ("id", "name", "price"):
        if not item.HasField(name):
            return f"{name} is missing"
    if not 1 <= len(item.name) <= 100:
        return "name must have 1 to 100 characters"
    return None if item.price >= 0 else "price must be at least 0"


class Stock(stock_pb2_grpc.StockServicer):
    """The methods, each from message to message."""

    def Hello(self, request, context):  # noqa: N802 - the name in the .proto
        if not request.HasField("name"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "name is missing")
        return stock_pb2.HelloResponse(result=f"Hello, {request.name}!")

    def Item(self, request, context):  # noqa: N802 - the same
        if not request.HasField("id"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "id is missing")
        return stock_pb2.ItemResponse(result=message(stock.ITEMS[request.id]))

    def Save(self, request, context):  # noqa: N802 - the same
        given = request.item
        if fault := check(given):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)
        active = given.active if given.HasField("active") else True
        note = given.note if given.HasField("note") else None
        kept = stock.Item(given.id, given.name, given.price, list(given.tags), active, note)
        return stock_pb2.SaveResponse(result=message(stock.save(kept)))

    def Items(self, request, context):  # noqa: N802 - the same
        return stock_pb2.ItemsResponse(result=[message(item) for item in stock.items()])


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(THREADS))
    stock_pb2_grpc.add_StockServicer_to_server(Stock(), server)
    if server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}"):
        server.start()
        server.wait_for_termination()
