"""Publications: named sets of files that are put together as drafts, and stay as they are once published."""

from __future__ import annotations

from mergepoint import Id, Page
from newsroom.errors import AlreadyPublished, NoSuchFile, NoSuchPublication, NothingToPublish
from newsroom.records import Cursor, Limit, Publication, PublicationDetails, PublicationState, Title
from newsroom.repositories import FileRepository, PublicationRepository
from newsroom.service.needs import Clock, NewId


class Publishing:
    """Puts publications together and publishes them.

    Args:
        publications: keeps them.
        files: knows what can be in them.
        clock: tells when they are made and published.
        new_id: numbers them.
    """

    def __init__(self, publications: PublicationRepository, files: FileRepository, clock: Clock, new_id: NewId) -> None:
        self._publications = publications
        self._files = files
        self._clock = clock
        self._new_id = new_id

    def publications(self, cursor: Cursor | None = None, limit: Limit = 50) -> Page[Publication]:
        """List publications, the newest first."""
        return self._publications.find(cursor, limit)

    def publication(self, id: Id) -> PublicationDetails:
        """Show a publication with its files.

        Raises:
            NoSuchPublication: there is none with this id.
        """
        details = self._publications.get(id)
        if details is None:
            raise NoSuchPublication(id)
        return details

    def create_publication(self, title: Title) -> PublicationDetails:
        """Begin a draft without files."""
        draft = Publication(self._new_id(), title, PublicationState.DRAFT, 0, self._clock())
        self._publications.add(draft)
        return self.publication(draft.id)

    def add_to_publication(self, id: Id, file_id: Id) -> PublicationDetails:
        """Put a file at the end of a draft; one that is in it stays where it is.

        Raises:
            NoSuchPublication: there is no publication with this id.
            AlreadyPublished: it is no draft any more.
            NoSuchFile: there is no such file.
        """
        self._draft(id)
        if self._files.get(file_id) is None:
            raise NoSuchFile(file_id)
        self._publications.add_file(id, file_id)
        return self.publication(id)

    def remove_from_publication(self, id: Id, file_id: Id) -> PublicationDetails:
        """Take a file out of a draft; that it is not in it is no error.

        Raises:
            NoSuchPublication: there is no publication with this id.
            AlreadyPublished: it is no draft any more.
        """
        self._draft(id)
        self._publications.remove_file(id, file_id)
        return self.publication(id)

    def publish(self, id: Id) -> PublicationDetails:
        """Publish a draft. Its files are held at the versions they have now.

        Raises:
            NoSuchPublication: there is no publication with this id.
            AlreadyPublished: it is no draft any more.
            NothingToPublish: it has no files.
        """
        if not self._draft(id).files:
            raise NothingToPublish(id)
        self._publications.publish(id, self._clock())
        return self.publication(id)

    def _draft(self, id: int) -> PublicationDetails:
        details = self.publication(id)
        if details.publication.state is not PublicationState.DRAFT:
            raise AlreadyPublished(id)
        return details
