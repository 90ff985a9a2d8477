"""The e-mail of a notice: headers that a user's text cannot reach, text and HTML beside each other."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from sync.notices import reference
from sync.store.notices import NoticeRow
from worker.senders.addresses import address_of, bare_address
from worker.senders.render import Rendered


def build(
    row: NoticeRow, said: Rendered, *, sender: Address, reply_to: str | None, now: datetime
) -> EmailMessage:
    """The message; its Message-ID is the same whenever the notice is sent again. Raises BadAddress."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = bare_address(row.recipient)
    message["Subject"] = said.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{reference(row.key)}@{sender.domain}>"
    if reply_to is not None and row.recipient != reply_to:
        message["Reply-To"] = address_of(reply_to)
    # No out-of-office answers, please.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(said.text)
    message.add_alternative(said.html, subtype="html")
    message["Content-Language"] = row.locale  # setting the content removes it
    return message
