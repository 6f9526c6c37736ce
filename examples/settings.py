"""Settings: a frozen record, filled from its defaults, `etc/config.json` and the environment, later ones winning.

$ mergepoint call examples/settings.py motd
$ HARBOUR_MOTD=Fog mergepoint call examples/settings.py motd
$ HARBOUR_BERTHS=many mergepoint call examples/settings.py motd
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from mergepoint import App, Meta, Sensitive, config


@dataclass(frozen=True)
class Mail:
    """How the harbour sends mail; `HARBOUR_MAIL__HOST` sets the host."""

    host: str = "localhost"
    password: Annotated[str, Sensitive] = ""


@dataclass(frozen=True)
class Settings:
    """What differs between one harbour and the next.

    Attributes:
        motd: the message of the day.
        berths: how many ships there is room for.
        mail: how it sends mail.
    """

    motd: str = "Fair winds"
    berths: Annotated[int, Meta(ge=1, le=500)] = 12
    mail: Mail = field(default_factory=Mail)


def create(environ: Mapping[str, str] = os.environ) -> App:
    """Build the application for an environment; every problem with its settings is reported at once."""
    settings = config.load(Settings, prefix="HARBOUR", environ=environ)
    app = App("settings")

    @app.query
    def motd() -> str:
        """Return the message of the day."""
        return settings.motd

    @app.query
    def berths() -> int:
        """Count the berths."""
        return settings.berths

    return app
