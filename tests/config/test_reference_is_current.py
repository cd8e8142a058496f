from __future__ import annotations

from support.settings_reference import COMMAND, PAGE, page


def test_the_reference_page_says_what_the_models_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"docs/reference/settings.md is stale; write it anew: {COMMAND}"
