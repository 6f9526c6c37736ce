"""WSGI: several applications as one site, and the headers that every answer should carry.

```
site = Site({"/": pages, "/api": rest, "/admin": django_app}, bar=True)
application = Secure(site)
```
"""

from mergepoint.wsgi.answer import answer, answer_json, problem
from mergepoint.wsgi.secure import Secure
from mergepoint.wsgi.site import Site

__all__ = ["Secure", "Site", "answer", "answer_json", "problem"]
