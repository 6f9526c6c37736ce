"""FastAPI with SQLAlchemy's ORM on psycopg, in plain functions, which it runs on threads."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import Session as Open
from sqlalchemy.orm import sessionmaker

from mapped import Item, Row, page
from schema import ADDRESS

engine = create_engine(f"postgresql+psycopg://{ADDRESS}", pool_size=40, max_overflow=0)
sessions = sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


def open_session() -> Iterator[Open]:
    with sessions() as session:
        yield session


Session = Annotated[Open, Depends(open_session)]


@app.get("/items/{id}", response_model=Item)
def one(id: int, session: Session):
    return session.get(Row, id)


@app.get("/items", response_model=list[Item])
def following(after: int, session: Session):
    return session.scalars(page(after)).all()
