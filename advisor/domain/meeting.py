"""Where the machines of one training meet: `HOST:PORT` of the first of them."""

import re
from typing import Annotated

from pydantic import AfterValidator

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")
_HIGHEST_PORT = 65_535


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of `HOST:PORT`. Raises ValueError for another form, or a port that there is not."""
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdecimal()):
        raise ValueError("it is not HOST:PORT, such as node1:29500 or 192.168.1.10:29500")
    if not 1 <= int(port) <= _HIGHEST_PORT:
        raise ValueError(f"there is no port {port}; take one from 1024 to {_HIGHEST_PORT}")
    return host, int(port)


def _checked(text: str) -> str:
    host_and_port(text)
    return text


Rendezvous = Annotated[str, AfterValidator(_checked)]
"""`HOST:PORT`, checked."""
