"""Settings: an application's own frozen record, filled from defaults, JSON files and environment variables.

```
settings = config.load(Settings, prefix="BATFRIEND", role="web", folder="etc", environ=os.environ)
```
"""

from mergepoint.config.loading import load
from mergepoint.config.showing import example, redacted, show

__all__ = ["example", "load", "redacted", "show"]
