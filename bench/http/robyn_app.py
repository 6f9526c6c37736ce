"""Robyn with msgspec. It brings its own server."""

import os

import msgspec
from robyn import Headers, Request, Response, Robyn

from records import ITEMS, decode_item, encode, greeting, item

app = Robyn(__file__)
JSON = Headers({"content-type": "application/json"})


def answer(status: int, value: object) -> Response:
    return Response(status_code=status, headers=JSON, description=encode(value))


@app.get("/hello")
def hello():
    return answer(200, greeting())


@app.get("/items/:id")
def one(request: Request):
    return answer(200, item(int(request.path_params["id"]), request.query_params.get("q", None)))


@app.post("/items")
def post(request: Request):
    try:
        return answer(201, decode_item(request.body))
    except msgspec.ValidationError as error:
        return answer(422, str(error))


@app.get("/list")
def every():
    return answer(200, ITEMS)


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(os.environ["PORT"]))
