"""What can go wrong in the newsroom, in the newsroom's words. `newsroom.app` says which kind of failure each one is.

NewsroomError
├── NoSuchFile, NoSuchVersion, NoPreview
├── NoSuchImport
├── NotMade               what was asked for was not made of the file, or not yet
├── NothingToCompare      a file with one version, or one that is no text
├── NothingToSearch       a search without a word
├── NoSuchTask
├── NoSuchPublication
├── PathTaken             another file came to the same place first
├── FileTooLarge
├── UnreadableFile        the content is not what it claims to be
├── UnusableName          a name that cannot be a file's
├── FilePublished         a published file cannot be deleted
├── AlreadyPublished      what is published cannot change
└── NothingToPublish      a publication without files
"""

from __future__ import annotations

from mergepoint import Id
from newsroom.records import Reason, StepName


class NewsroomError(Exception):
    """The root of the newsroom's own errors; the data of each is in its attributes."""


class NoSuchFile(NewsroomError):
    """There is no file with this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no file {id}.")
        self.id = id


class NoSuchVersion(NewsroomError):
    """The file exists, but never had this version."""

    def __init__(self, id: Id, version: int) -> None:
        super().__init__(f"File {id} has no version {version}.")
        self.id = id
        self.version = version


class NoPreview(NewsroomError):
    """The file exists, but has no preview: only pictures do."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"File {id} has no preview.")
        self.id = id


class NoSuchImport(NewsroomError):
    """There is no import with this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no import {id}.")
        self.id = id


class NotMade(NewsroomError):
    """The file exists, but this was not made of it, or not yet."""

    def __init__(self, id: Id, name: StepName) -> None:
        super().__init__(f"File {id} has no {name.value}, or not yet: see its pipeline.")
        self.id = id
        self.name = name


class NothingToCompare(NewsroomError):
    """Only texts and web pages are compared, and only one version with another."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"File {id} has nothing to compare: it has one version, or is no text.")
        self.id = id


class NothingToSearch(NewsroomError):
    """The text has no word that could be searched."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Expected a word of letters or digits, got {text!r}.")
        self.text = text


class NoSuchTask(NewsroomError):
    """There is no task with this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no task {id}.")
        self.id = id


class NoSuchPublication(NewsroomError):
    """There is no publication with this id."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"There is no publication {id}.")
        self.id = id


class PathTaken(NewsroomError):
    """Another file came to the same path while this one was on its way."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} came from somewhere else at the same moment. Try again.")
        self.path = path


class FileTooLarge(NewsroomError):
    """The content is longer than the newsroom keeps; `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than {limit:,} bytes.")
        self.limit = limit


class UnreadableFile(NewsroomError):
    """The content cannot be read as what its name or its first bytes say it is."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"The file is a {reason.value.replace('_', ' ')}: {detail}.")
        self.reason = reason
        self.detail = detail


class UnusableName(NewsroomError):
    """The name cannot be a file's name."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a file: {remedy}.")
        self.name = name
        self.remedy = remedy


class FilePublished(NewsroomError):
    """The file is part of something published and has to stay."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"File {id} is published and has to stay.")
        self.id = id


class AlreadyPublished(NewsroomError):
    """The publication is published and stays as it is."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"Publication {id} is published and stays as it is.")
        self.id = id


class NothingToPublish(NewsroomError):
    """The publication has no files."""

    def __init__(self, id: Id) -> None:
        super().__init__(f"Publication {id} has no files. Add one first.")
        self.id = id
