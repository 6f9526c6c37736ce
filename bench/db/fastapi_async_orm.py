"""FastAPI with SQLAlchemy's asynchronous ORM on asyncpg."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from mapped import Item, Row, page
from schema import ADDRESS

engine = create_async_engine(f"postgresql+asyncpg://{ADDRESS}", pool_size=40, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


@app.get("/items/{id}", response_model=Item)
async def one(id: int, session: Session):
    return await session.get(Row, id)


@app.get("/items", response_model=list[Item])
async def following(after: int, session: Session):
    return (await session.scalars(page(after))).all()
