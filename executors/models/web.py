"""Asking a server that the environment or a plan names: only that one is asked, and nobody reads along.

A key goes to the host it was given for, so redirects are not followed; what is meant for this machine is not sent
through a proxy that the environment names.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from typing import Any
from urllib.parse import urlsplit


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *told: Any) -> None:
        return None


def opener(url: str) -> urllib.request.OpenerDirector:
    """What opens requests to this address."""
    direct = [urllib.request.ProxyHandler({})] if is_here(url) else []
    return urllib.request.build_opener(_NoRedirect, *direct)


def is_private(url: str) -> bool:
    """Whether what is sent there can be read on the way by nobody."""
    return url.startswith("https://") or is_here(url)


def is_here(url: str) -> bool:
    """Whether the address is one of this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
