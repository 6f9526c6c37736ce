"""TLS: certificates from files, for servers and for the addresses that clients call."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import grpc
import msgspec

from ..errors import ConfigError


class Tls(msgspec.Struct, frozen=True):
    """The certificates of a server, as files in PEM.

    Attributes:
        certificate: its own, followed by those of intermediate authorities.
        key: the private key of it.
        client_ca: the authorities whose certificates clients must show (mutual TLS); None to ask for none.
    """

    certificate: str | Path
    key: str | Path
    client_ca: str | Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return what grpcio takes.

        Raises:
            ConfigError: a file cannot be read.
        """
        pair = (_content("key", self.key), _content("certificate", self.certificate))
        authorities = None if self.client_ca is None else _content("client_ca", self.client_ca)
        return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)


class Address(NamedTuple):
    """Where a server is: its host and port, and how it is proved to be the one."""

    target: str
    credentials: grpc.ChannelCredentials | None


_FILES = ("ca", "certificate", "key")


def address(url: str) -> Address:
    """Read an address: `grpc://host:50051`, or `grpcs://host:50051?ca=ca.pem&certificate=own.pem&key=own.key`.

    Raises:
        ConfigError: it is none, or names a file that cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or parts.path.strip("/"):
        raise ConfigError(f"Expected an address such as grpc://127.0.0.1:50051 or grpcs://host:443, got {url!r}.")
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := given.keys() - set(_FILES):
        raise ConfigError(f"{url!r}: `{min(unknown)}` is nothing an address has; there are {', '.join(_FILES)}.")
    if parts.scheme == "grpc" and given:
        raise ConfigError(f"{url!r}: certificates need TLS; write grpcs://.")
    if ("certificate" in given) != ("key" in given):
        raise ConfigError(f"{url!r}: a certificate needs its key and the other way round.")
    target = parts.netloc.rpartition("@")[2]
    return Address(target if parts.port else f"{target}:{_PORTS[parts.scheme]}", _credentials(parts.scheme, given))


_PORTS = {"grpc": 50051, "grpcs": 443}


def _credentials(scheme: str, given: dict[str, str]) -> grpc.ChannelCredentials | None:
    if scheme == "grpc":
        return None
    ca, certificate, key = (_content(name, given[name]) if name in given else None for name in _FILES)
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _content(what: str, path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"TLS: the file for `{what}`, {path}, cannot be read: {error.strerror}.") from None
