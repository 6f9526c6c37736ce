"""Falcon with SQLAlchemy Core on psycopg, rows made structs, without transactions: the fast usual way."""

import falcon
from sqlalchemy import bindparam, create_engine, select

from schema import ADDRESS, Item, encode, items

engine = create_engine(
    f"postgresql+psycopg://{ADDRESS}", pool_size=8, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
)
find = select(items).where(items.c.id == bindparam("id"))
page = select(items).where(items.c.id > bindparam("after")).order_by(items.c.id).limit(20)


class One:
    """Serve one record."""

    def on_get(self, req, resp, id):
        with engine.connect() as connection:
            resp.data = encode(Item(*connection.execute(find, {"id": id}).one()))


class Following:
    """Serve the twenty records after one."""

    def on_get(self, req, resp):
        with engine.connect() as connection:
            rows = connection.execute(page, {"after": req.get_param_as_int("after", required=True)})
            resp.data = encode([Item(*row) for row in rows])


app = falcon.App()
app.add_route("/items/{id:int}", One())
app.add_route("/items", Following())
