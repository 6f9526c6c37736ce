"""The store of bytes."""

from __future__ import annotations

import hashlib
import os
from io import BytesIO
from pathlib import Path

import pytest

from newsroom.errors import FileTooLarge
from newsroom.store import BlobStore


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    """Give a store for blobs of ten bytes."""
    return BlobStore(tmp_path / "blobs", limit=10)


def everything(folder: Path) -> list[Path]:
    """List all files below a folder."""
    return [place for place in folder.rglob("*") if place.is_file()]


def test_bytes_lie_under_their_sha_256(store: BlobStore) -> None:
    """What is put in can be read where its digest says."""
    blob = store.put(BytesIO(b"news"))
    assert (blob.sha256, blob.size) == (hashlib.sha256(b"news").hexdigest(), 4)
    assert store.path(blob.sha256).read_bytes() == b"news"


def test_the_same_bytes_are_kept_once(store: BlobStore, tmp_path: Path) -> None:
    """Two equal files take the room of one."""
    assert store.put(BytesIO(b"news")) == store.put(BytesIO(b"news"))
    assert len(everything(tmp_path)) == 1


def test_too_many_bytes_leave_nothing_behind(store: BlobStore, tmp_path: Path) -> None:
    """A stream beyond the limit is refused, and what was written of it is gone."""
    with pytest.raises(FileTooLarge, match="larger than 10 bytes"):
        store.put(BytesIO(b"eleven bytes"))
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ABC", "a" * 63 + "/", "a" * 65, "A" * 64])
def test_only_a_digest_is_a_path(store: BlobStore, name: str) -> None:
    """Nothing but 64 hexadecimal digits leads into the store."""
    with pytest.raises(ValueError, match="expected 64 hexadecimal digits"):
        store.path(name)


def test_a_sweep_removes_what_nothing_refers_to(store: BlobStore) -> None:
    """Blobs in use stay, and so do young ones, whose reference may be on its way."""
    used, unused, young = (store.put(BytesIO(content)) for content in (b"used", b"unused", b"young"))
    for blob in (used, unused):
        os.utime(store.path(blob.sha256), (0, 0))
    assert store.sweep({used.sha256}, older_than=60) == 1
    assert store.path(used.sha256).exists()
    assert store.path(young.sha256).exists()
    assert not store.path(unused.sha256).exists()


def test_putting_bytes_in_again_makes_them_young(store: BlobStore) -> None:
    """A sweep at the moment of an upload does not take the blob that the upload found in place."""
    blob = store.put(BytesIO(b"news"))
    os.utime(store.path(blob.sha256), (0, 0))
    store.put(BytesIO(b"news"))
    assert store.sweep((), older_than=60) == 0
