"""The page for all libraries."""

from tests.pages import run_page


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/index.md", tmp_path)
