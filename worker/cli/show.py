"""`prorata show`: the whole story of any id."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.output import AsJson, emit_json
from worker.cli.runtime import run_async, with_pool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show")(show)


def show(
    any_id: Annotated[
        str,
        typer.Argument(
            metavar="ANY_ID",
            help="Of an account, change, quote, event, invoice, charge, payment intent, subscription, "
            "subscription schedule, customer or Stripe request.",
        ),
    ],
    limit: Annotated[
        int, typer.Option(min=1, max=5000, help="How many entries of each sort, at most.")
    ] = 200,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of any id. Quotes, calls to Stripe, steps and events, in the order of time."""
    from sync.story import tell

    story = run_async(with_pool("show", lambda pool: tell(pool, any_id, limit=limit)))
    if as_json:
        emit_json(story)
        return
    from worker.cli.render_story import story_text

    typer.echo(story_text(story))
