"""A long list, one page at a time. The cursor says where the next page begins, so that new records do not shift it.

$ mergepoint call examples/paging.py species --limit 2
"""

from typing import Annotated

from mergepoint import App, Meta, Page

SPECIES = ["Barbastelle", "Daubenton's bat", "Fringed bat", "Noctule", "Pipistrelle", "Pond bat", "Serotine"]

app = App("paging")


@app.query
def species(after: str = "", limit: Annotated[int, Meta(ge=1, le=100)] = 3) -> Page[str]:
    """List the species in alphabetical order.

    Args:
        after: the `next` of the page before; leave it out for the first page.
        limit: how many to list at most.
    """
    rest = [name for name in SPECIES if name > after]
    more = len(rest) > limit
    return Page(rest[:limit], rest[limit - 1] if more else None)
