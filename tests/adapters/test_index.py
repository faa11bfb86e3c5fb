"""The page for all libraries."""

from tests.adapters.pages import run_page


def test_the_page_runs():
    run_page("index.md")
