"""docs/monitoring: every metric is explained, and rules and dashboard ask for none that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.unit.monitor.test_metrics import NAMES

DOCS = Path(__file__).parents[2] / "docs"
METRIC = re.compile(r"\boort_[a-z_]+")
OF_HISTOGRAMS = re.compile(r"_(bucket|sum|count)$")


def test_the_page_explains_every_metric() -> None:
    page = (DOCS / "monitoring.md").read_text(encoding="utf-8")

    assert sorted(name for name in NAMES if f"`{name}" not in page) == []


def test_the_alerts_are_of_metrics_that_there_are() -> None:
    rules = (DOCS / "monitoring" / "alerts.yml").read_text(encoding="utf-8")
    asked = set(METRIC.findall(" ".join(re.findall(r"expr: (.*)", rules))))

    assert len(asked) >= 6
    assert asked <= NAMES
    assert rules.count("- alert:") == rules.count("expr:") == rules.count("summary:")


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    board = json.loads((DOCS / "monitoring" / "grafana.json").read_text(encoding="utf-8"))
    asked = {
        OF_HISTOGRAMS.sub("", name)
        for panel in board["panels"]
        for target in panel["targets"]
        for name in METRIC.findall(target["expr"])
    }

    assert len(asked) >= 8
    assert asked <= NAMES
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
