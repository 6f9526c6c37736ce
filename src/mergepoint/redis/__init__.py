"""Redis: jobs in worklists that any language can work off. `docs/jobs-redis.md` has their keys and format."""

from mergepoint.errors import missing

try:
    from mergepoint.redis.connection import RedisUnavailable, Server
    from mergepoint.redis.sweeping import Keys
    from mergepoint.redis.worklist import Worklist
except ModuleNotFoundError as error:
    raise missing("mergepoint.redis", error, extra="redis") from None

__all__ = ["Keys", "RedisUnavailable", "Server", "Worklist"]
