"""The floor: bare WSGI and the bare driver, one connection a thread, statements prepared, results binary."""

import threading

import psycopg

from schema import ADDRESS, Item, encode

COLUMNS = "id, name, price, quantity, active, category"
FIND = f"SELECT {COLUMNS} FROM items WHERE id = %s"  # noqa: S608
PAGE = f"SELECT {COLUMNS} FROM items WHERE id > %s ORDER BY id LIMIT 20"  # noqa: S608
JSON = ("Content-Type", "application/json")


class Connected(threading.local):
    """Hold a cursor for each thread."""

    def __init__(self):
        self.connection = psycopg.connect(f"postgresql://{ADDRESS}", autocommit=True)
        self.cursor = self.connection.cursor(binary=True)


local = Connected()


def app(environ, start_response):
    """Answer GET /items/{id} and GET /items?after={id}."""
    path = environ["PATH_INFO"]
    if path == "/items":
        rows = local.cursor.execute(PAGE, (int(environ["QUERY_STRING"][6:]),), prepare=True).fetchall()
        body = encode([Item(*row) for row in rows])
    else:
        body = encode(Item(*local.cursor.execute(FIND, (int(path[7:]),), prepare=True).fetchone()))
    start_response("200 OK", [JSON, ("Content-Length", str(len(body)))])
    return [body]
