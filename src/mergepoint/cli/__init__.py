"""Operations and plain functions as commands: options from the signature, help from the docstring, exit codes.

```
manage = cli.manage(create)

if __name__ == "__main__":
    manage()
```
"""

from click import confirm

from .command import OperationCommand, headers
from .completion import Completion, completions, quiet
from .failures import EXIT_CODES, Failed
from .group import Operations
from .manage import Manage
from .program import Program

group = Operations
"""Return the operations of an app as a click group; see `Operations` for the arguments."""

manage = Manage
"""Return the command of an application as a click group; see `Manage` for the arguments."""

__all__ = [
    "EXIT_CODES",
    "Completion",
    "Failed",
    "Manage",
    "OperationCommand",
    "Operations",
    "Program",
    "completions",
    "confirm",
    "group",
    "headers",
    "manage",
    "quiet",
]
