"""Full-text search: the files whose text has all the words that somebody asks for."""

from __future__ import annotations

import re
from typing import Annotated

from mergepoint import Meta
from newsroom.errors import NothingToSearch
from newsroom.records import Hit
from newsroom.repositories import TextRepository

WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 10


class Searching:
    """Searches the texts of files.

    Args:
        texts: keeps them.
    """

    def __init__(self, texts: TextRepository) -> None:
        self._texts = texts

    def search(
        self,
        text: Annotated[str, Meta(max_length=200)],
        limit: Annotated[int, Meta(ge=1, le=100)] = 20,
    ) -> tuple[Hit, ...]:
        """Find the files whose text has all words, or such that begin with them, the best first.

        Args:
            text: the words; all that is no letter or digit divides them.
            limit: the most files.

        Raises:
            NothingToSearch: there is no word in the text.
        """
        words = list(dict.fromkeys(WORD.findall(text.casefold())))[:MOST_WORDS]
        if not words:
            raise NothingToSearch(text)
        return tuple(self._texts.find(words, limit))
