"""The model card in a real browser: both colour schemes, on a phone's width."""

from __future__ import annotations

import pytest

import projects
from browser import Browser, needs_browser
from mlops_cli.actions.card import card
from mlops_cli.config.load import load_project

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = projects.copy(projects.finished("p"), tmp_path_factory.mktemp("card") / "p")
    card(load_project(root))
    return root / "reports/card.html"


@pytest.mark.parametrize("dark", [False, True])
def test_a_card_fits_a_phone_in_both_colour_schemes(page, tmp_path, dark):
    tab = Browser(tmp_path / "profile")
    try:
        tab.open(page, width=390, dark=dark)
        assert tab.run("document.documentElement.scrollWidth") <= 390
        back = tab.run("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")
        assert tab.run("document.querySelectorAll('h2').length") > 5
        assert not [e for e in tab.events if e.get("method") == "Log.entryAdded"]
    finally:
        tab.close()
