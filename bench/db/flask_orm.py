"""Flask with SQLAlchemy's ORM on psycopg."""

from flask import Flask, jsonify, request
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from mapped import Row, page
from schema import ADDRESS, items

sessions = sessionmaker(create_engine(f"postgresql+psycopg://{ADDRESS}", pool_size=8))
app = Flask(__name__)


def record(row: Row) -> dict[str, object]:
    return {column.name: getattr(row, column.name) for column in items.columns}


@app.get("/items/<int:id>")
def one(id):
    with sessions() as session:
        return jsonify(record(session.get(Row, id)))


@app.get("/items")
def following():
    with sessions() as session:
        return jsonify([record(row) for row in session.scalars(page(int(request.args["after"])))])
