"""The gallery's pages and the folder they hang in: plain files that need no newsroom to be read."""

from newsroom.gallery.drawing import Drawing
from newsroom.gallery.wall import Wall

__all__ = ["Drawing", "Wall"]
