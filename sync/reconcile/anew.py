"""One account, compared on demand: everything of it is read fresh, recorded, and what is gone is closed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sync.billing import Billing
from sync.errors import Code, StripeTrouble
from sync.reconcile import portal
from sync.reconcile.invoices import fresh_reads, unexplained
from sync.reconcile.look import look_at, others_of
from sync.reconcile.record import tell, unique
from sync.rules.drift import FindingKind
from sync.store import findings as store
from sync.store import sweeps
from sync.store.db import transaction
from sync.store.findings import FindingRow


async def reconcile_account(billing: Billing, account_id: str) -> Sequence[FindingRow] | None:
    """Everything that differs for this account, each with its finding.

    None where something of the account moved all the while, so that nothing was judged. Raises
    StripeTrouble: Stripe did not answer, or with something that has another shape than what we know.
    """
    try:
        return await _reconcile(billing, account_id)
    except msgspec.MsgspecError as error:
        detail = f"Stripe shows something of {account_id} in a form that is not known here: {error}. It was "
        raise StripeTrouble(
            Code.STRIPE_UNAVAILABLE, f"{detail}not judged, and nothing was changed."
        ) from error


async def _reconcile(billing: Billing, account_id: str) -> Sequence[FindingRow] | None:
    look = await look_at(billing, account_id)
    if look is None:
        return None
    differences = [*look.differences, *await others_of(billing, look)]
    invoices = await fresh_reads(billing, await sweeps.unexplained_of(billing.pool, account_id))
    former = (await store.not_over_of(billing.pool, [account_id])).get(account_id, [])
    async with transaction(billing.pool) as conn:
        await billing.mirror.apply_reads(conn, unique([*look.reads, *invoices]), began=look.began)
        odd = unexplained(await sweeps.unexplained_of(conn, account_id))
        recorded = await store.replace(conn, former, [*differences, *odd], look.began)
    tell(recorded)
    return recorded.found


async def look_again(billing: Billing, finding: FindingRow) -> bool:
    """Compare anew whatever this finding is about; False where nothing was judged. Raises StripeTrouble."""
    if finding.account_id is not None:
        return await reconcile_account(billing, finding.account_id) is not None
    if finding.kind == FindingKind.PORTAL_ALLOWS_UPDATES:
        await portal.check(billing)
        return True
    return False
