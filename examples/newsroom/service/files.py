"""Files: find them, look at them, fetch them, send new ones, tag and delete them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from mergepoint import Download, Id, Meta, Page, Upload
from newsroom.errors import (
    FilePublished,
    NoPreview,
    NoSuchFile,
    NoSuchVersion,
    UnusableName,
)
from newsroom.records import Cursor, File, FileDetails, Filter, Kind, Limit, Sort, Statistics, Tag
from newsroom.repositories import FileRepository, PublicationRepository
from newsroom.service.intake import Intake
from newsroom.service.needs import Process, Store, Withdraw

SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
"""What a browser may show. All else is sent to be saved: HTML and SVG would run in our name."""

UPLOADS = "uploads"
"""The folder that uploads come to."""

LONGEST_NAME = 200

MOST_IDS = 200
"""The most files that are asked for by their ids at once."""

Size: TypeAlias = Annotated[int, Meta(ge=0, le=2**62, description="In bytes.")]
Text: TypeAlias = Annotated[str, Meta(max_length=200)]


class Files:
    """What people do with files.

    Args:
        files: keeps them.
        publications: knows which of them have to stay.
        store: keeps their bytes.
        intake: takes new bytes in.
        process: lets the work on them begin.
        withdraw: lets the gallery forget a file.
    """

    def __init__(
        self,
        files: FileRepository,
        publications: PublicationRepository,
        store: Store,
        intake: Intake,
        process: Process,
        withdraw: Withdraw,
    ) -> None:
        self._files = files
        self._publications = publications
        self._store = store
        self._intake = intake
        self._process = process
        self._withdraw = withdraw

    def files(
        self,
        search: Text = "",
        kind: Kind | None = None,
        media_type: Text | None = None,
        tag: Text | None = None,
        language: Text | None = None,
        min_size: Size | None = None,
        max_size: Size | None = None,
        sort: Sort = Sort.PATH,
        cursor: Cursor | None = None,
        limit: Limit = 50,
    ) -> Page[File]:
        """List the files that pass every filter.

        Args:
            search: words that must all be in the path or the title.
            kind: only files of this kind.
            media_type: only files of this media type.
            tag: only files with this tag.
            language: only files in this language, as Pygments calls it.
            min_size: only files of at least so many bytes.
            max_size: only files of at most so many bytes.
            sort: by what; a minus turns the order around.
            cursor: `next` of the page before.
            limit: the most files on a page.
        """
        wanted = Filter(tuple(search.split()), kind, media_type, tag, language, min_size, max_size)
        return self._files.find(wanted, sort, cursor, limit)

    def file(self, id: Id) -> FileDetails:
        """Show all that is known about a file.

        Raises:
            NoSuchFile: there is none with this id.
        """
        details = self._files.get(id)
        if details is None:
            raise NoSuchFile(id)
        return details

    def files_by_id(self, ids: Annotated[list[Id], Meta(max_length=MOST_IDS)]) -> dict[Id, File]:
        """Show many files at once, by their ids; an id that no file has is left out.

        Args:
            ids: which files.
        """
        return dict(self._files.by_id(ids))

    def download(self, id: Id, version: Annotated[int, Meta(ge=1)] | None = None) -> Download:
        """Fetch the bytes of a file.

        Args:
            id: which file.
            version: which version; the newest unless said.

        Raises:
            NoSuchFile: there is none with this id.
            NoSuchVersion: it never had this version.
        """
        file = self.file(id).file
        wanted = self._files.version(id, version or file.version)
        if wanted is None:
            raise NoSuchVersion(id, version or file.version)
        return Download(self._store.path(wanted.sha256), wanted.media_type, file.name, wanted.media_type in SHOWN)

    def preview(self, id: Id) -> Download:
        """Fetch a small WebP of a picture.

        Raises:
            NoSuchFile: there is none with this id.
            NoPreview: it is not a picture, or one that is never shown.
        """
        file = self.file(id).file
        if file.preview is None:
            raise NoPreview(id)
        return Download(self._store.path(file.preview), "image/webp", None, True)

    def upload(self, file: Upload) -> File:
        """Take a file in. One with the same name becomes a new version, if its content differs.

        Raises:
            UnusableName: its name is no file name.
            FileTooLarge: it has more bytes than are kept.
            UnreadableFile: it is a broken picture or PDF.
            PathTaken: somebody sends another file of this name at this moment.
        """
        path = f"{UPLOADS}/{file_name(file.name)}"
        known = self._files.by_path([path]).get(path)
        entry = self._intake.take(path, file.file, known)
        if entry is not None:
            write = self._files.revise if known else self._files.add
            write([entry])
            self._process([entry.file])
        return self._at(path)

    def _at(self, path: str) -> File:
        return self.file(self._files.by_path([path])[path].id).file

    def tag(self, id: Id, tag: Tag) -> File:
        """Put a tag on a file.

        Raises:
            NoSuchFile: there is none with this id.
        """
        self.file(id)
        self._files.tag(id, tag)
        return self.file(id).file

    def untag(self, id: Id, tag: Tag) -> File:
        """Take a tag off a file; that it does not have it is no error.

        Raises:
            NoSuchFile: there is none with this id.
        """
        self.file(id)
        self._files.untag(id, tag)
        return self.file(id).file

    def delete(self, id: Id) -> None:
        """Delete a file with its versions, tags and tasks.

        Raises:
            NoSuchFile: there is none with this id.
            FilePublished: it is part of something published.
        """
        path = self.file(id).file.path
        if self._publications.holds(id):
            raise FilePublished(id)
        self._files.delete(id)
        self._withdraw(path)

    def statistics(self) -> Statistics:
        """Count the files, their bytes and lines, and how they are spread."""
        return self._files.statistics()


def file_name(name: str) -> str:
    """Make a file name of what a sender calls a file: the last part of it, whichever system's separator it has.

    Raises:
        UnusableName: nothing usable is left.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    if last in ("", ".", ".."):
        raise UnusableName(name[:LONGEST_NAME], "give it a name")
    if not last.isprintable():
        raise UnusableName(last[:LONGEST_NAME], "leave out control characters")
    if len(last) > LONGEST_NAME:
        raise UnusableName(last[:LONGEST_NAME], f"use at most {LONGEST_NAME} characters")
    return last
