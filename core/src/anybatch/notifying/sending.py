"""Sending notices in threads of their own, in limited time."""

from __future__ import annotations

import atexit
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from anybatch.notifying.delivery import deliver
from anybatch.notifying.errors import Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anybatch.host import Host
    from anybatch.notifying.message import End
    from anybatch.notifying.request import MailRoute
    from anybatch.notifying.targets import Target

LIMIT = 45.0  #: seconds in which all notices of an end are sent, or given up

Told = dict["Target", "str | None"]  #: why each target was not told; None: it was


class Sending:
    """Notices that are under way.

    A program that ends without closing its session waits for them, too.

    Args:
        limit: seconds for the notices of an end.
    """

    def __init__(self, host: Host, limit: float = LIMIT) -> None:
        self._host = host
        self._limit = limit
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def start(
        self,
        describe: Callable[[], End],
        routes: Mapping[Target, MailRoute],
        done: Callable[[Told], None],
    ) -> None:
        """Tell each target, soon.

        Args:
            describe: gives what is told; it may read logs.
            routes: whom to tell, and how mail goes out.
            done: is given how that went, when all were told or given up.
        """
        work = partial(self._tell_all, describe, routes, done)
        thread = threading.Thread(target=work, name="anybatch-notices", daemon=True)
        with self._starting:
            self._threads = [one for one in self._threads if one.is_alive()]
            if not self._threads:
                atexit.unregister(self.close)
                atexit.register(self.close)
            thread.start()
            self._threads.append(thread)

    def _tell_all(
        self,
        describe: Callable[[], End],
        routes: Mapping[Target, MailRoute],
        done: Callable[[Told], None],
    ) -> None:
        told: Told = {}
        deadline = time.monotonic() + self._limit
        try:
            end = describe()
        except Exception as error:  # such as a name that nobody thought of
            done(dict.fromkeys(routes, f"what to say cannot be written: {error!r:.100}"))
            return
        threads = [
            threading.Thread(target=self._tell, args=(target, end, route, told), daemon=True)
            for target, route in routes.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = f"it did not end within {self._limit:g} s"
        done({target: told.get(target, late) for target in routes})

    def _tell(self, target: Target, end: End, route: MailRoute, told: Told) -> None:
        try:
            deliver(target, end, route, self._host)
            told[target] = None
        except Undelivered as error:
            told[target] = str(error)
        except Exception as error:  # its text may hold an address
            told[target] = f"{type(error).__name__}"

    def close(self) -> None:
        """Wait until all are told or given up."""
        deadline = time.monotonic() + self._limit + 1
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()
        atexit.unregister(self.close)
