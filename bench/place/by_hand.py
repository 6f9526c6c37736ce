"""The same service as grpcio's documentation shows it: generated code, a servicer, a pool of threads."""

import sys
from concurrent import futures

import grpc
import shelf_pb2
import shelf_pb2_grpc

import shelf

THREADS = 4


class Servicer(shelf_pb2_grpc.ShelfServicer):
    """The one method."""

    def Get(self, request, context):  # noqa: N802 - the name in the .proto
        item = shelf.ITEMS[request.id]
        return shelf_pb2.Item(
            id=item.id,
            name=item.name,
            price=item.price,
            quantity=item.quantity,
            active=item.active,
            category=item.category,
        )


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(THREADS))
    shelf_pb2_grpc.add_ShelfServicer_to_server(Servicer(), server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    print("Ctrl+C stops it.", flush=True)
    server.wait_for_termination()
