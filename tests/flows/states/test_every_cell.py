"""Every flow from every state does what the table in ARCHITECTURE.md says, and a refusal changes nothing."""

from __future__ import annotations

import pytest

from sync.errors import Code
from tests.flows.states import table
from tests.flows.states.conftest import Stock
from tests.flows.states.flows import FLOWS, Flow
from tests.flows.states.states import STATES, Maker
from tests.flows.states.table import ALLOWED, IMPOSSIBLE

TABLE = table.read()


def name_of(row: Maker | Flow) -> str:
    return (row.__doc__ or "").strip() if row in STATES else row.__name__.replace("_", " ")


CELLS = [
    pytest.param(state, flow, id=f"{state.__name__}-{flow.__name__}")
    for state in STATES
    for flow in FLOWS
    if TABLE.get(name_of(state), {}).get(name_of(flow)) != IMPOSSIBLE
]


def test_no_cell_is_missing() -> None:
    """The table has every state, every flow, and nothing else than answers and known codes."""
    assert [name_of(state) for state in STATES] == list(TABLE)
    for row in TABLE.values():
        assert [name_of(flow) for flow in FLOWS] == list(row)
        assert {ALLOWED, IMPOSSIBLE, *map(str, Code)} >= set(row.values())


def test_a_cell_is_left_out_only_where_it_cannot_come_about() -> None:
    """A first purchase needs an account without one; who never bought has nothing to take back."""
    left_out = {(state, flow) for state, row in TABLE.items() for flow in row if row[flow] == IMPOSSIBLE}
    assert {flow for _, flow in left_out} == {"purchase", "withdraw"}
    assert {state for state, flow in left_out if flow == "withdraw"} == {"has never bought anything"}
    assert all(" here" in state for state, flow in left_out if flow == "purchase")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("state", "flow"), CELLS)
async def test_cell(stock: Stock, state: Maker, flow: Flow) -> None:
    """Allowed: done to the end. Refused: with the documented code first, and nothing moved or charged."""
    expected = TABLE[name_of(state)][name_of(flow)]
    place = await stock.take(state, flow)
    look = place.belongings if expected == Code.PAYMENT_DECLINED else place.standing
    before = await look()

    # Whatever went wrong: only a refusal leaves an account that the next test can use.
    stock.give_away(state, flow)
    codes = await flow(place)

    assert (codes or [ALLOWED])[0] == expected, codes
    if codes:
        assert await look() == before
        stock.put_back(state, flow, place)
