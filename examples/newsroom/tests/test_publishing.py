"""The service for publications, on fakes."""

from __future__ import annotations

import pytest

from newsroom.errors import AlreadyPublished, NoSuchFile, NoSuchPublication, NothingToPublish
from newsroom.records import PublicationState
from newsroom.tests.desk import Newsroom


def test_a_draft_takes_files_in_order_and_each_once(room: Newsroom) -> None:
    """Adding a file again leaves it where it is; taking out one that is not in it is no error."""
    files = [room.given(name) for name in ("b.txt", "a.txt")]
    draft = room.publishing.create_publication("Monday").publication
    for file in (*files, files[0]):
        details = room.publishing.add_to_publication(draft.id, file.id)
    assert [file.path for file in details.files] == ["uploads/b.txt", "uploads/a.txt"]
    assert details.publication.files == 2
    for _ in range(2):
        details = room.publishing.remove_from_publication(draft.id, files[0].id)
    assert [file.path for file in details.files] == ["uploads/a.txt"]


def test_publishing_holds_the_files_at_their_versions(room: Newsroom) -> None:
    """A file that changes later changes nothing that is published."""
    file = room.given("a.txt", "one\n")
    room.given("a.txt", "two\n")
    draft = room.publishing.create_publication("Monday").publication
    room.publishing.add_to_publication(draft.id, file.id)
    published = room.publishing.publish(draft.id)
    assert published.publication.state is PublicationState.PUBLISHED
    assert published.publication.published is not None
    assert published.files[0].version == 2
    room.given("a.txt", "three\n")
    assert room.publishing.publication(draft.id) == published


def test_what_is_published_stays_as_it_is(room: Newsroom) -> None:
    """Every change of it is refused."""
    file = room.given("a.txt")
    draft = room.publishing.create_publication("Monday").publication
    room.publishing.add_to_publication(draft.id, file.id)
    room.publishing.publish(draft.id)
    for change in (room.publishing.add_to_publication, room.publishing.remove_from_publication):
        with pytest.raises(AlreadyPublished, match="is published and stays"):
            change(draft.id, file.id)
    with pytest.raises(AlreadyPublished):
        room.publishing.publish(draft.id)


def test_an_empty_draft_cannot_be_published(room: Newsroom) -> None:
    """The refusal says what to do."""
    draft = room.publishing.create_publication("Monday").publication
    with pytest.raises(NothingToPublish, match="Add one first"):
        room.publishing.publish(draft.id)


def test_publications_come_newest_first_with_the_number_of_their_files(room: Newsroom) -> None:
    """The list can be read page by page."""
    drafts = [room.publishing.create_publication(title).publication for title in ("one", "two", "three")]
    room.publishing.add_to_publication(drafts[1].id, room.given("a.txt").id)
    page = room.publishing.publications(limit=2)
    assert [(item.title, item.files) for item in page.items] == [("three", 0), ("two", 1)]
    rest = room.publishing.publications(cursor=page.next)
    assert [item.title for item in rest.items] == ["one"]


def test_what_is_not_there_is_said_with_its_id(room: Newsroom) -> None:
    """A publication that never was, and a file that never was."""
    for operation in (room.publishing.publication, room.publishing.publish):
        with pytest.raises(NoSuchPublication, match="There is no publication 404"):
            operation(404)
    draft = room.publishing.create_publication("Monday").publication
    with pytest.raises(NoSuchFile, match="There is no file 404"):
        room.publishing.add_to_publication(draft.id, 404)
