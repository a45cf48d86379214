"""Dispatchers that work for as long as a test looks at them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gen.dispatch import Dispatch


@asynccontextmanager
async def at_work(*dispatchers: Dispatch) -> AsyncIterator[None]:
    """While they take turns; then they are ended, as a service ends them."""
    tasks = [asyncio.create_task(each.run()) for each in dispatchers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
