"""Read what there is to say about source and plain text: its language (from Pygments, by name) and its lines."""

from __future__ import annotations

from pathlib import Path

from newsroom.inspect.kinds import Sniffed
from newsroom.records import Findings


def read(content: Path, sniffed: Sniffed) -> Findings:
    """Count the lines; the last one counts without a line end too."""
    lines, last = 0, b"\n"
    with content.open("rb") as file:
        while chunk := file.read(1 << 20):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return Findings(
        sniffed.kind, sniffed.media_type, language=sniffed.language, lines=lines if last == b"\n" else lines + 1
    )
