"""The newsroom's settings; `mergepoint.config` reads them from variables such as NEWSROOM_DATABASE__URL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from mergepoint import Sensitive

JOBS = "^(database|rediss?://.+|unix://.+)$"


class DatabaseSettings(Struct, frozen=True):
    """Where the records are: SQLite, PostgreSQL or MariaDB. The URL may hold a password."""

    url: Annotated[str, Sensitive] = "sqlite:///var/newsroom/newsroom.db"


class StoreSettings(Struct, frozen=True):
    """Where the bytes are, and how many of them one file may have."""

    folder: Path = Path("var/newsroom/files")
    largest: Annotated[int, Meta(ge=1)] = 64_000_000


class Settings(Struct, frozen=True):
    """All settings; relative paths begin at the working directory.

    Attributes:
        database: where the records are.
        store: where the bytes are.
        jobs: what keeps the jobs: `database`, or a Redis server, `redis://…`, and after a `#` what its keys begin
            with, unless that is `newsroom`. The URL may hold a password.
        gallery: the folder of the gallery.
        places: where the services run, `local`, `loopback`, or `files=http://127.0.0.1:8001, publishing=grpc://...`.
        key: what calls between processes are signed with; needed when there are several.
    """

    database: DatabaseSettings = DatabaseSettings()
    store: StoreSettings = StoreSettings()
    jobs: Annotated[str, Sensitive, Meta(pattern=JOBS)] = "database"
    gallery: Path = Path("var/newsroom/gallery")
    places: str = "local"
    key: Annotated[str, Sensitive] = ""
