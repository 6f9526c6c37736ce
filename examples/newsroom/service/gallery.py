"""The gallery: a static page for each file, and an index of them, in a folder that any web server can serve."""

from __future__ import annotations

import hashlib

from mergepoint import Progress
from newsroom.records import Exhibit, File, StepName
from newsroom.repositories import ExhibitRepository, FileRepository, StepRepository
from newsroom.service.needs import AskForIndex, Drawing, Store, Transaction, Wall, silent

INDEX = "index.html"
STYLE = "gallery.css"


class Gallery:
    """Shows files in the gallery.

    What is shown is made of the records as they are when a job runs, not of what the job was told. A job that comes
    late, or again, makes the same page.

    Args:
        files: what there is.
        steps: what was made of it.
        exhibits: what is shown.
        store: keeps the bytes that were made.
        drawing: draws pages.
        wall: where they hang.
        ask_for_index: lets an index be made soon.
        transaction: what is written together is written in one.
    """

    def __init__(
        self,
        files: FileRepository,
        steps: StepRepository,
        exhibits: ExhibitRepository,
        store: Store,
        drawing: Drawing,
        wall: Wall,
        ask_for_index: AskForIndex,
        transaction: Transaction,
    ) -> None:
        self._files = files
        self._steps = steps
        self._exhibits = exhibits
        self._store = store
        self._drawing = drawing
        self._wall = wall
        self._ask_for_index = ask_for_index
        self._transaction = transaction

    def publish_file(self, path: str, version: int | None = None) -> None:
        """Make the gallery show the file at a path as it is now, or show it no more if it is gone.

        Args:
            path: where the file is.
            version: whose step this is.
        """
        exhibit = self._exhibit(path)
        while True:
            self._hang(path, exhibit)
            with self._transaction():
                index = self._exhibits.next_index()  # From here on others who publish wait: what is read now, stays.
                now = self._exhibit(path)
                if now == exhibit:
                    self._note(path, exhibit, version)
                    return self._ask_for_index(index)
            exhibit = now  # The file changed while its page was made, and the page of somebody else may be overwritten.

    def render_index(self, number: int, progress: Progress = silent) -> None:
        """Make the index of all files that the gallery shows.

        Args:
            number: which index this is.
            progress: told what is being done.
        """
        with self._transaction():
            self._exhibits.begin_index(number)
        exhibits = self._exhibits.all()
        while True:
            progress(0.5, f"{len(exhibits)} files")
            self._wall.hang(STYLE, self._drawing.style())
            self._wall.hang(INDEX, self._drawing.index(exhibits))
            now = self._exhibits.all()
            if now == exhibits:
                return
            exhibits = now

    def _exhibit(self, path: str) -> Exhibit | None:
        file = self._files.by_path([path]).get(path)
        if file is None:
            return None
        made = {step.name: step.made for step in self._steps.of_version(file.id, file.version)}
        return Exhibit(
            path=path,
            page=page_of(path),
            name=file.name,
            kind=file.kind,
            version=file.version,
            size=file.size,
            sha256=file.sha256,
            language=file.language,
            title=file.title,
            thumbnail=made.get(StepName.THUMBNAIL),
            highlight=made.get(StepName.HIGHLIGHT),
            difference=made.get(StepName.DIFFERENCE),
        )

    def _hang(self, path: str, exhibit: Exhibit | None) -> None:
        page, thumbnail = f"files/{page_of(path)}.html", f"thumbnails/{page_of(path)}.webp"
        if exhibit is None or exhibit.thumbnail is None:
            self._wall.take(thumbnail)
        else:
            self._wall.hang(thumbnail, self._store.path(exhibit.thumbnail).read_bytes())
        if exhibit is None:
            self._wall.take(page)
        else:
            self._wall.hang(page, self._drawing.page(exhibit, self._read))

    def _note(self, path: str, exhibit: Exhibit | None, version: int | None) -> None:
        if exhibit is None:
            self._exhibits.remove(path)
            return
        self._exhibits.put(exhibit)
        if version is not None:
            self._steps.finish(self._id(path), version, StepName.PUBLISH, None)

    def _id(self, path: str) -> int:
        file: File = self._files.by_path([path])[path]
        return file.id

    def _read(self, sha256: str) -> str:
        return self._store.path(sha256).read_text(encoding="utf-8")


def page_of(path: str) -> str:
    """Name the page of a file: the same for a path in every newsroom, and no path of a stranger's in a name."""
    return hashlib.sha256(path.encode()).hexdigest()[:20]
