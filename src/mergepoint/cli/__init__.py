"""Operations as commands: options from the signature, help from the docstring, failures as exit codes.

```
if __name__ == "__main__":
    cli.group(app)()
```
"""

from .group import EXIT_CODES, Failed, OperationCommand, Operations

group = Operations
"""Return the operations of an app as a click group; see `Operations` for the arguments."""

__all__ = ["EXIT_CODES", "Failed", "OperationCommand", "Operations", "group"]
