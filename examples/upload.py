"""Files in and out: `Upload` is read as it comes, `Download` is sent with its type and name.

$ mergepoint run examples/upload.py
$ curl -F file=@notes.txt http://127.0.0.1:8000/api/shelve
"""

import hashlib
from dataclasses import dataclass

from mergepoint import App, Download, Upload

CHUNK = 64 * 1024  # bytes read at a time


@dataclass(frozen=True)
class Receipt:
    """What became of a file.

    Attributes:
        name: the sender's name for it.
        size: in bytes.
        sha256: the digest of its content, by which it can be fetched.
    """

    name: str
    size: int
    sha256: str


class NotOnTheShelf(LookupError):
    """No file has this digest."""


shelf: dict[str, tuple[Upload, bytes]] = {}
app = App("upload", errors={NotOnTheShelf: "not_found"})


@app.command(status=201, max_body=20_000_000)
def shelve(file: Upload) -> Receipt:
    """Keep a file and say what was understood."""
    content = b"".join(iter(lambda: file.file.read(CHUNK), b""))
    digest = hashlib.sha256(content).hexdigest()
    shelf[digest] = (file, content)
    return Receipt(file.name, len(content), digest)


@app.query(http="GET /shelf/{sha256}")
def fetch(sha256: str) -> Download:
    """Give a file back."""
    if sha256 not in shelf:
        raise NotOnTheShelf(f"No file on the shelf has the digest {sha256}.")
    file, content = shelf[sha256]
    return Download(content, media_type=file.media_type, name=file.name)
