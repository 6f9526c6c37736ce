"""An operation may be `async def`: it runs on the process's event loop, beside the plain ones on their threads.

$ mergepoint call examples/waiting.py race --runners 3
"""

import asyncio
from typing import Annotated

from mergepoint import App, Meta

app = App("waiting")


async def _run(number: int) -> str:
    await asyncio.sleep(0.01 * number)
    return f"runner {number}"


@app.query(deadline=2)
async def race(runners: Annotated[int, Meta(ge=1, le=20)] = 3) -> list[str]:
    """Let runners start together, and list them as they arrive."""
    running = [asyncio.create_task(_run(number)) for number in range(runners, 0, -1)]
    return [await arrived for arrived in asyncio.as_completed(running)]
