"""Flask with Pydantic."""

from flask import Flask, jsonify, request
from pydantic import ValidationError

from models import ITEMS, Item, greeting, item

app = Flask(__name__)


@app.get("/hello")
def hello():
    return jsonify(greeting().model_dump())


@app.get("/items/<int:id>")
def one(id):
    return jsonify(item(id, request.args["q"]).model_dump())


@app.post("/items")
def post():
    try:
        record = Item.model_validate_json(request.get_data())
    except ValidationError as error:
        return jsonify(error=str(error)), 422
    return jsonify(record.model_dump()), 201


@app.get("/list")
def every():
    return jsonify([record.model_dump() for record in ITEMS])
