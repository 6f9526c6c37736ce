"""Places: where a service runs, and the object that stands for it wherever that is."""

from .addresses import LOCAL, Places
from .hosting import Host
from .place import Place, link_to
from .remote import Link
from .resilience import Resilience

__all__ = ["LOCAL", "Host", "Link", "Place", "Places", "Resilience", "link_to"]
