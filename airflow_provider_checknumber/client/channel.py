"""What all waits of one connection in one event loop share: a session, its settings, and a brake.

A session for every question costs six times the CPU of a shared one, most of it for TLS; a lookup of the
connection for every question would cost the metadata database a query each. Not for: deciding when to
ask (``polling``), nor for calls outside an event loop.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from types import TracebackType
from weakref import WeakKeyDictionary

from airflow_provider_checknumber.client.async_client import AsyncCheckNumberClient
from airflow_provider_checknumber.client.endpoint import Endpoint
from airflow_provider_checknumber.client.errors import AuthenticationError, RateLimitedError
from airflow_provider_checknumber.client.models import Task
from airflow_provider_checknumber.client.polling import first_pause
from airflow_provider_checknumber.client.timing import Timing

#: Seconds for which a connection's settings are believed before they are looked up again.
SETTINGS_LIFETIME = 60.0

#: Seconds for which nobody asks after a 429 that does not say for how long; doubled while they go on.
_FIRST_HOLD, _LONGEST_HOLD = 5.0, 300.0

Settings = tuple[Endpoint, Timing]

_log = logging.getLogger(__name__)
_channels: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Channel]] = WeakKeyDictionary()


def shared_channel(name: Hashable, look_up: Callable[[], Awaitable[Settings]]) -> Channel:
    """
    Return the channel of the waits that go by ``name`` in this event loop.

    Each enters it as a context; the last one to leave closes the connections.

    :param name: what stands for the connection, e.g. its id.
    :param look_up: reads the connection's settings, which may change while the waits go on.
    """
    channels = _channels.setdefault(asyncio.get_running_loop(), {})
    if name not in channels:
        channels[name] = Channel(look_up, leave=partial(channels.pop, name))
    return channels[name]


class Channel:
    """
    One connection's session for one event loop; made by :func:`shared_channel`, entered by each wait.

    :param look_up: reads the connection's settings.
    :param leave: forgets the channel.
    """

    def __init__(self, look_up: Callable[[], Awaitable[Settings]], *, leave: Callable[[], object]) -> None:
        self.waiters = 0
        self._look_up = look_up
        self._leave = leave
        self._looking_up = asyncio.Lock()
        self._looked_up_at = float("-inf")
        self._session: _Session | None = None
        self._quiet_until = float("-inf")
        self._hold = _FIRST_HOLD

    async def __aenter__(self) -> Channel:
        """Join the waits."""
        self.waiters += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave them; the last one closes the connections."""
        self.waiters -= 1
        if not self.waiters:
            self._leave()
            if self._session is not None:
                await self._session.retire()

    @property
    def endpoint(self) -> Endpoint | None:
        """The service that was asked last, None before the first question."""
        return None if self._session is None else self._session.settings[0]

    async def connect(self) -> Endpoint:
        """
        Return the service, which is looked up where nobody has done so lately.

        :raises Exception: any error of ``look_up``, the first time.
        """
        return (await self._current()).settings[0]

    async def get_task(self, checknumber_task_id: str) -> Task:
        """
        Ask how a task stands, once.

        :raises CheckNumberError: as drawn in ``errors``. Any error of ``look_up``, on the first call.
        """
        session, asked_at = await self._current(), _now()
        try:
            task = await self._ask(session, checknumber_task_id)
        except AuthenticationError:
            # The key may just have been changed: look it up again before it is called refused.
            if session is (session := await self._current(newer_than=asked_at)):
                raise
            task = await self._ask(session, checknumber_task_id)
        except RateLimitedError as error:
            self._be_quiet(error.retry_after)
            raise
        self._hold = _FIRST_HOLD
        return task

    def hold(self) -> float:
        """Return the seconds for which the service has asked for quiet; 0 where anybody may ask."""
        left = self._quiet_until - _now()
        if left <= 0:
            return 0.0
        # Those who are held back together do not all ask together afterwards.
        return left + self.spread(_LONGEST_HOLD)

    def spread(self, poke_interval: float) -> float:
        """Return the seconds that one of so many waits leaves the others before its first question."""
        return first_pause(waiters=self.waiters, jitter=random.random(), poke_interval=poke_interval)  # noqa: S311

    async def _current(self, *, newer_than: float = float("-inf")) -> _Session:
        """Return the session for the connection's settings, which are looked up again where they are old."""
        if self._session is not None and self._is_fresh(newer_than):
            return self._session
        async with self._looking_up:
            if self._session is None or not self._is_fresh(newer_than):
                await self._renew()
        assert self._session is not None  # noqa: S101 - set by _renew()
        return self._session

    def _is_fresh(self, newer_than: float) -> bool:
        return self._looked_up_at > max(newer_than, _now() - SETTINGS_LIFETIME)

    async def _renew(self) -> None:
        try:
            settings = await self._look_up()
        except Exception as error:
            if self._session is None:
                raise
            # Waits that are under way outlast a metadata database, or an administrator, that is busy.
            _log.warning(
                "A connection could not be looked up again (%s): its settings stay.", type(error).__name__
            )
            settings = self._session.settings
        self._looked_up_at = _now()
        if self._session is None or settings != self._session.settings:
            old, self._session = self._session, await _Session.open(settings)
            if old is not None:
                await old.retire()

    async def _ask(self, session: _Session, checknumber_task_id: str) -> Task:
        session.in_flight += 1
        try:
            return await session.client.get_task(checknumber_task_id)
        finally:
            session.in_flight -= 1
            await session.close_if_unused()

    def _be_quiet(self, retry_after: float | None) -> None:
        hold = self._hold if retry_after is None else retry_after
        if _now() >= self._quiet_until:  # Not for the other questions that were under way.
            self._hold = min(self._hold * 2, _LONGEST_HOLD)
        self._quiet_until = max(self._quiet_until, _now() + hold)


class _Session:
    """A client with its settings, closed when it is retired and its last question is answered."""

    def __init__(self, settings: Settings) -> None:
        endpoint, timing = settings
        self.settings = settings
        self.client = AsyncCheckNumberClient(endpoint, timing=timing)
        self.in_flight = 0
        self._retired = False

    @classmethod
    async def open(cls, settings: Settings) -> _Session:
        session = cls(settings)
        await session.client.__aenter__()
        return session

    async def retire(self) -> None:
        self._retired = True
        await self.close_if_unused()

    async def close_if_unused(self) -> None:
        if self._retired and not self.in_flight:
            await self.client.__aexit__(None, None, None)


def _now() -> float:
    return asyncio.get_running_loop().time()
