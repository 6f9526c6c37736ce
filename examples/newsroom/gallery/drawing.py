"""Draw the gallery's pages with Jinja2. The same exhibits make the same bytes, whenever and wherever they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from newsroom.plain import size
from newsroom.records import Exhibit

STYLE = Path(__file__).parent / "gallery.css"


class Drawing:
    """The `Drawing` that the gallery asks for."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("newsroom.gallery"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["size"] = size

    def page(self, exhibit: Exhibit, read: Callable[[str], str]) -> bytes:
        """See `service.needs.Drawing`."""

        def made(sha256: str | None) -> Markup | None:
            # Our own makers escaped whatever strangers wrote.
            return None if sha256 is None else Markup(read(sha256))  # noqa: S704

        return self._draw(
            "page.html", exhibit=exhibit, highlight=made(exhibit.highlight), difference=made(exhibit.difference)
        )

    def index(self, exhibits: Sequence[Exhibit]) -> bytes:
        """See `service.needs.Drawing`."""
        pictures = [exhibit for exhibit in exhibits if exhibit.thumbnail]
        folders = [(folder, list(files)) for folder, files in groupby(exhibits, _folder)]
        return self._draw("index.html", exhibits=exhibits, pictures=pictures, folders=folders)

    def style(self) -> bytes:
        """See `service.needs.Drawing`."""
        return STYLE.read_bytes()

    def _draw(self, template: str, **values: object) -> bytes:
        return self._templates.get_template(template).render(values).encode()


def _folder(exhibit: Exhibit) -> str:
    return exhibit.path.rpartition("/")[0]
