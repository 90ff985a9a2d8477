"""The catalogue of log events and the metrics keep the forms that dashboards rely on."""

from __future__ import annotations

import ast
import re

import pytest

from sync.telemetry import REGISTRY, LogEvent
from tests.test_architecture import sources

# The names that the public contract promises.
PROMISED = (
    "webhook_received webhook_ack_seconds inbox_oldest_seconds inbox_depth event_apply_seconds job_seconds "
    "dead_letter stripe_request_seconds stripe_rate_wait_seconds stripe_unknown_outcomes change "
    "change_open_age_seconds quote_mismatch estimate_difference_minor drift_open "
    "sweep_last_success_timestamp catch_up_last_success_timestamp event_loop_lag_seconds "
    "pg_pool_waiting build_info"
)


def test_promised_metrics_exist() -> None:
    """No metric of the public contract is missing or renamed."""
    names = {metric.name for metric in REGISTRY.collect()}

    assert set(PROMISED.split()) - names == set()


def test_no_metric_has_an_id_as_label() -> None:
    """A label with one value per account would make as many time series as there are accounts."""
    collectors = REGISTRY._collector_to_names
    labels = {label for collector in collectors for label in getattr(collector, "_labelnames", ())}

    assert not {label for label in labels if label.endswith("_id") or label in ("account", "customer")}


@pytest.mark.parametrize("event", list(LogEvent))
def test_event_is_noun_and_verb(event: LogEvent) -> None:
    """Event names are `noun.verb_past`, each with a sentence for the reader."""
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event)
    assert event.sentence.endswith(".")


def test_logs_use_the_catalogue() -> None:
    """No line is logged under a name that the catalogue does not have."""
    wild = [
        f"{source.module}:{node.lineno}"
        for source in sources()
        if not source.module.startswith("worker.twin")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("log", "logger")
        and node.func.attr in ("debug", "info", "warning", "error", "exception")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert wild == []
