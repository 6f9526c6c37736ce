"""Put jobs in with one queue, and print how many a second: produce.py MODULE FUNCTION COUNT"""

import importlib
import sys
import time

module, function, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
put_in = getattr(importlib.import_module(module), function)
if function in ("enqueue", "batch"):
    put_in(100)  # connections, tables, scripts
began = time.perf_counter()
put_in(count)
print(count / (time.perf_counter() - began))
