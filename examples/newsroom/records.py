"""The newsroom's records: inert, immutable, the same on every protocol. Sizes are in bytes, times aware and in UTC."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

from msgspec import Struct

from mergepoint import Id, Meta

# ---- what is read out of a file


class Kind(Enum):
    """What a file is to the desk; it decides what is read out of it."""

    PICTURE = "picture"
    SOURCE = "source"
    WEB_PAGE = "web_page"
    PDF = "pdf"
    TEXT = "text"
    OTHER = "other"


class Picture(Struct, frozen=True, tag="picture"):
    """What a picture says about itself.

    Attributes:
        width: in pixels.
        height: in pixels.
        format: the encoding, such as `JPEG`.
        frames: more than one when it moves.
        exif: the camera's notes by name. The place where it was taken is left out: it often is somebody's home.
    """

    width: int
    height: int
    format: str
    frames: int = 1
    exif: dict[str, str] = {}


class Link(Struct, frozen=True):
    """A link on a web page: where it leads, and the words it is set on."""

    address: str
    text: str


class WebPage(Struct, frozen=True, tag="web_page"):
    """The links of a web page, in the order of the page, each address once."""

    links: tuple[Link, ...] = ()


class Pdf(Struct, frozen=True, tag="pdf"):
    """What a PDF says about itself; an encrypted one keeps its pages and author to itself."""

    pages: int | None = None
    author: str | None = None
    encrypted: bool = False


Facts: TypeAlias = Picture | WebPage | Pdf


class Findings(Struct, frozen=True):
    """All that was read out of one file.

    Attributes:
        kind: what it is.
        media_type: decided by its content and name, never by what a sender claims.
        language: the programming or markup language of a text.
        lines: the number of lines of a text.
        title: the title that a web page or a PDF gives itself.
        facts: what only this kind of file has.
        preview: a small WebP of a picture.
    """

    kind: Kind
    media_type: str
    language: str | None = None
    lines: int | None = None
    title: str | None = None
    facts: Facts | None = None
    preview: bytes | None = None


# ---- lists

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=200, description="The most items on a page.")]
Cursor: TypeAlias = Annotated[str, Meta(max_length=6000, description="`next` of the page before.")]

# ---- files

Tag: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        description="Lower-case letters, digits, dots, dashes and underscores.",
    ),
]


class Blob(Struct, frozen=True):
    """Stored bytes, addressed by their content."""

    sha256: str
    size: int


class File(Struct, frozen=True, kw_only=True):
    """A file as the lists show it: its newest version.

    Attributes:
        path: where it lay below the imported folder, with `/`; unique.
        name: the last part of the path.
        version: 1 for the first, one more with each changed content.
        preview: the SHA-256 of a small WebP, for pictures that have one.
        added: when the first version came.
        changed: when this version came.
    """

    id: Id
    path: str
    name: str
    kind: Kind
    media_type: str
    size: int
    sha256: str
    version: int
    language: str | None = None
    lines: int | None = None
    title: str | None = None
    preview: str | None = None
    tags: tuple[str, ...] = ()
    added: datetime
    changed: datetime


class Entry(Struct, frozen=True):
    """A file and what only its kind has: the unit in which files are written."""

    file: File
    facts: Facts | None = None


class Version(Struct, frozen=True):
    """One version of a file's content, and when it came."""

    number: int
    media_type: str
    size: int
    sha256: str
    added: datetime


class FileDetails(Struct, frozen=True):
    """All that is known about one file; the newest version comes first."""

    file: File
    facts: Facts | None
    versions: tuple[Version, ...]


class Sort(Enum):
    """The orders of a list of files; a minus turns the order around."""

    PATH = "path"
    PATH_DOWN = "-path"
    SIZE = "size"
    SIZE_DOWN = "-size"
    CHANGED = "changed"
    CHANGED_DOWN = "-changed"

    @property
    def field(self) -> str:
        """Name the field of `File` that it sorts by."""
        return self.value.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Tell whether the greatest comes first."""
        return self.value.startswith("-")


class Filter(Struct, frozen=True):
    """What a list of files is narrowed to; what is left out does not narrow.

    Attributes:
        words: each must be in the path or the title, in any case of letters.
    """

    words: tuple[str, ...] = ()
    kind: Kind | None = None
    media_type: str | None = None
    tag: str | None = None
    language: str | None = None
    min_size: int | None = None
    max_size: int | None = None


class Share(Struct, frozen=True):
    """How many files, and how many bytes of them, have one value in common."""

    value: str
    files: int
    size: int


class Statistics(Struct, frozen=True):
    """The whole collection in figures; shares come with the most files first."""

    files: int
    size: int
    lines: int
    kinds: tuple[Share, ...]
    languages: tuple[Share, ...]
    media_types: tuple[Share, ...]
    tags: tuple[Share, ...]


# ---- the runs of imports


class Reason(Enum):
    """Why an import left a file out."""

    UNREADABLE = "unreadable"
    BROKEN_PICTURE = "broken_picture"
    BROKEN_PDF = "broken_pdf"
    TOO_LARGE = "too_large"
    SYMLINK = "symlink"
    SYMLINK_LOOP = "symlink_loop"
    SPECIAL_FILE = "special_file"
    UNUSABLE_NAME = "unusable_name"


class Skipped(Struct, frozen=True):
    """A file that an import left out."""

    path: str
    reason: Reason
    detail: str


class ImportState(Enum):
    """How far an import has come."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Counts(Struct, frozen=True):
    """What an import did with the files it met."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0


class ImportRun(Struct, frozen=True):
    """One import of a folder; `source` is the folder's own name."""

    id: Id
    source: str
    state: ImportState
    counts: Counts
    started: datetime
    finished: datetime | None = None


class ImportDetails(Struct, frozen=True):
    """An import and the files it left out, by path."""

    run: ImportRun
    skipped: tuple[Skipped, ...]


# ---- what is made of files in the background


class StepName(Enum):
    """A step of the work on a version of a file; `publish` comes when the others are done."""

    THUMBNAIL = "thumbnail"
    HIGHLIGHT = "highlight"
    EXTRACT = "extract"
    DIFFERENCE = "difference"
    PUBLISH = "publish"


class StepState(Enum):
    """How far a step is; `forgotten` when its job is gone and it never was done."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"
    FORGOTTEN = "forgotten"


class Step(Struct, frozen=True):
    """A step as it is kept.

    Attributes:
        job: the job that does it.
        done: whether it was done, however often the job ran.
        made: the SHA-256 of what came of it; None if that is nothing.
    """

    file_id: Id
    version: int
    name: StepName
    job: str
    done: bool = False
    made: str | None = None


class Progressing(Struct, frozen=True):
    """What is known of the job of a step.

    Attributes:
        progress: from 0 to 1.
        note: what it is doing.
        problem: why its last attempt failed.
    """

    state: StepState
    progress: float = 0.0
    note: str = ""
    problem: str | None = None


class StepStatus(Struct, frozen=True):
    """A step and how far it is."""

    name: StepName
    version: int
    job: str
    status: Progressing
    made: str | None = None


class Pipeline(Struct, frozen=True):
    """The steps of the newest version of a file, in their order."""

    file: File
    steps: tuple[StepStatus, ...]


class StepCount(Struct, frozen=True):
    """How many steps of one name are done, of all that were begun."""

    name: StepName
    done: int
    all: int


class Backlog(Struct, frozen=True):
    """How far the work on all files is."""

    done: int
    all: int
    steps: tuple[StepCount, ...]


class JobOfFile(Struct, frozen=True):
    """Which file and version a job works on."""

    file_id: Id
    path: str
    version: int


# ---- differences


class ChangeKind(Enum):
    """What became of a piece of the older version; a new one was not in it."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


class Change(Struct, frozen=True):
    """A run of lines of a text, or of words and tags of a web page.

    Attributes:
        items: how many there are.
        text: all of them; None far from every change, where both versions are the same.
    """

    kind: ChangeKind
    items: int
    text: str | None = None


# ---- full-text search


class Piece(Struct, frozen=True):
    """A piece of a text; `found` if it is one of the words that were searched."""

    text: str
    found: bool = False


class Hit(Struct, frozen=True):
    """A file whose text has all the words, and a place in it that has some of them."""

    file_id: Id
    path: str
    kind: Kind
    version: int
    snippet: tuple[Piece, ...]


# ---- the gallery


class Exhibit(Struct, frozen=True):
    """A file as the gallery shows it: what its page, and the line in the index, are made of.

    Nothing here depends on when or in which database the file was kept, so that the same files make the same gallery.

    Attributes:
        page: the name of its page, without an ending.
        thumbnail: the SHA-256 of a small picture.
        highlight: the SHA-256 of its coloured source, in HTML.
        difference: the SHA-256 of what changed since the version before, in HTML.
    """

    path: str
    page: str
    name: str
    kind: Kind
    version: int
    size: int
    sha256: str
    language: str | None = None
    title: str | None = None
    thumbnail: str | None = None
    highlight: str | None = None
    difference: str | None = None


# ---- tasks


class TaskState(Enum):
    """Whether the desk still has to do it."""

    OPEN = "open"
    DONE = "done"


Note: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000)]


class Task(Struct, frozen=True):
    """Something the desk has to do about a file."""

    id: Id
    file_id: Id
    path: str
    note: str
    state: TaskState
    created: datetime
    done: datetime | None = None


# ---- publications


class PublicationState(Enum):
    """A draft may change; what is published stays as it is."""

    DRAFT = "draft"
    PUBLISHED = "published"


Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


class Publication(Struct, frozen=True):
    """A named set of files."""

    id: Id
    title: str
    state: PublicationState
    files: int
    created: datetime
    published: datetime | None = None


class PublishedFile(Struct, frozen=True):
    """A file in a publication. In a draft `version` is None: it follows the file until it is published."""

    file_id: Id
    path: str
    version: int | None = None


class PublicationDetails(Struct, frozen=True):
    """A publication and its files, in the order they were added."""

    publication: Publication
    files: tuple[PublishedFile, ...]
