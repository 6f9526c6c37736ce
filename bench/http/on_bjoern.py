"""Serve a module's `app` on bjoern, a single-threaded WSGI server in C: `python on_bjoern.py MODULE`."""

import os
import sys
from importlib import import_module

import bjoern

bjoern.run(import_module(sys.argv[1]).app, "127.0.0.1", int(os.environ["PORT"]))
