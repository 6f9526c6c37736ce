"""For tests: the conformance suite of adapters and places (`conformance`), servers in other processes (`processes`).

It needs no test runner: pytest and unittest both run the cases.
"""

from . import conformance

__all__ = ["conformance"]
