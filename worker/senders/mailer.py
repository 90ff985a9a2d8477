"""The loop that sends stored notices: claims what is due, renders it, hands it over, marks it.

Any number may run at once. Each batch is split over a few connections; a mail is marked as sent right
after the server took it, so a crash costs at most one second copy a connection, under the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

import aiosmtplib
import structlog

from sync import clock, failpoints, notices
from sync.billing import Billing
from sync.notices import Trouble
from sync.steps import Call
from sync.store import notices as store
from sync.store.notices import NoticeRow
from worker.failures import log_failure
from worker.senders.addresses import BadAddress
from worker.senders.message import build
from worker.senders.render import NotRendered, Renderer
from worker.senders.smtp import (
    MAIL_ERRORS,
    MailServer,
    close_connection,
    is_connection_usable,
    mail_of,
    open_connection,
    trouble_of,
)

if TYPE_CHECKING:
    from worker.config import Settings

log = structlog.get_logger()

CONNECTIONS: Final = 4
MAILS_PER_CONNECTION: Final = 20
POLL_SECONDS: Final = 0.5
# After a trouble of the database.
PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one mail may take, and how long claimed ones are ours alone; in seconds.

    A lease holds many mails: what it has no time left for is put back.
    """

    send_seconds: float = 60.0
    lease_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One batch: until when (monotonic) it is ours, and what ends it early."""

    ends_at: float
    stop: asyncio.Event


class Mailer:
    """Sends the notices of one database through one mail server."""

    def __init__(
        self, billing: Billing, server: MailServer, sender: Address, patience: Patience | None = None
    ) -> None:
        self._pool = billing.pool
        self._reply_to = billing.support_email
        self._server = server
        self._sender = sender
        self._patience = patience or Patience()
        self._renderer = Renderer(billing.catalog, billing.support_email)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; the mails at hand are finished, the others of their batch put back."""
        while not stop.is_set():
            pause = POLL_SECONDS
            try:
                if await self.run_once(stop):
                    continue
            except Exception as error:  # the loop must outlive whatever one batch brings
                log_failure(error, kind="notices")
                pause = PAUSE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def run_once(self, stop: asyncio.Event | None = None) -> int:
        """Send one batch; returns how many were taken up."""
        turn = Turn(clock.monotonic() + self._patience.lease_seconds, stop or asyncio.Event())
        limit = CONNECTIONS * MAILS_PER_CONNECTION
        rows = await store.claim(self._pool, limit, self._patience.lease_seconds)
        shares = [deque(rows[first::CONNECTIONS]) for first in range(CONNECTIONS)]
        # None is cancelled because another one failed: it may be in the middle of a mail.
        ended = await asyncio.gather(*(self._send_all(each, turn) for each in shares), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return len(rows)

    async def _send_all(self, left: deque[NoticeRow], turn: Turn) -> None:
        while left and self._has_time(turn):
            await self._send_over_one_connection(left, turn)
        for row in left:
            await store.put_back(self._pool, row)

    async def _send_over_one_connection(self, left: deque[NoticeRow], turn: Turn) -> None:
        """Send until the connection breaks. Where none can be made, no mail has a chance now."""
        seconds = self._patience.send_seconds
        try:
            client = await open_connection(self._server, seconds)
        except MAIL_ERRORS as error:
            while left:
                await notices.failed(self._pool, left.popleft(), trouble_of(error))
            return
        try:
            while left and self._has_time(turn) and await self._send(client, left.popleft()):
                pass
        finally:
            await close_connection(client, seconds)

    def _has_time(self, turn: Turn) -> bool:
        """Whether there is time for one more: a mail takes `send_seconds`, and so may its connection."""
        needed = 2 * self._patience.send_seconds
        return not turn.stop.is_set() and clock.monotonic() + needed < turn.ends_at

    async def _send(self, client: aiosmtplib.SMTP, row: NoticeRow) -> bool:
        """Send one mail and note how that ended; returns whether the connection can take another one."""
        try:
            message = self._write(row)
        except BadAddress as error:
            await notices.failed(self._pool, row, Trouble("bad_address", f"address: {error}", final=True))
            return True
        except NotRendered as error:
            await notices.failed(self._pool, row, Trouble("not_rendered", str(error)))
            return True
        try:
            with failpoints.around_call(Call.NOTICE):
                async with asyncio.timeout(self._patience.send_seconds):
                    await client.send_message(
                        message, sender=self._sender.addr_spec, recipients=[row.recipient]
                    )
        except MAIL_ERRORS as error:
            await notices.failed(self._pool, row, trouble_of(error))
            return is_connection_usable(error)
        await notices.sent(self._pool, row)
        return True

    def _write(self, row: NoticeRow) -> EmailMessage:
        said = self._renderer.render(row)
        return build(row, said, sender=self._sender, reply_to=self._reply_to, now=clock.wall())


async def send_mail(settings: Settings, billing: Billing, stop: asyncio.Event) -> None:
    """Send what is stored, where the settings name a mail server, until `stop`."""
    found = mail_of(settings)
    if found is not None:
        await Mailer(billing, *found).run(stop)
