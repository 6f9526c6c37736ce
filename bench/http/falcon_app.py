"""Falcon with msgspec."""

import falcon
import msgspec

from records import ITEMS, decode_item, encode, greeting, item


class Hello:
    """Serve the greeting."""

    def on_get(self, req, resp):
        resp.data = encode(greeting())


class One:
    """Serve one record."""

    def on_get(self, req, resp, id):
        resp.data = encode(item(id, req.get_param("q", required=True)))


class Items:
    """Take a record."""

    def on_post(self, req, resp):
        try:
            record = decode_item(req.bounded_stream.read())
        except msgspec.ValidationError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from error
        resp.data = encode(record)
        resp.status = falcon.HTTP_201


class Every:
    """Serve all records."""

    def on_get(self, req, resp):
        resp.data = encode(ITEMS)


app = falcon.App()
app.add_route("/hello", Hello())
app.add_route("/items/{id:int}", One())
app.add_route("/items", Items())
app.add_route("/list", Every())
