"""Telling a web service: one POST of JSON, to the given address and no other."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from anybatch.notifying.errors import Undelivered, why

if TYPE_CHECKING:
    from collections.abc import Mapping


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would come as a GET without its text, maybe to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, record: Mapping[str, Any], timeout: float) -> None:
    """Send *record*. Certificates are verified, proxies of the environment are used.

    Args:
        timeout: seconds for each step of the network.

    Raises:
        Undelivered: the service could not be reached, or did not answer with 2xx.
    """
    opener = urllib.request.build_opener(_NoRedirect)
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "anybatch"}
    data = json.dumps(record).encode()
    request = urllib.request.Request(url, data, headers, method="POST")
    try:
        with opener.open(request, timeout=timeout):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        what = " (it redirects; give the final address)" if 300 <= error.code < 400 else ""
        raise Undelivered(f"the answer was HTTP {error.code}{what}") from None
    except urllib.error.URLError as error:
        reason = error.reason
        raise Undelivered(why(reason) if isinstance(reason, Exception) else "no answer") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(why(error)) from None
