"""`mergepoint completion`: the script that completes `mergepoint` in a shell."""

from __future__ import annotations

from ..cli import Completion

completion = Completion()
"""Print the script."""
