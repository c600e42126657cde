"""Two annotators and a reviewer on one project for ten minutes: no edit is lost."""

import pytest
from tests.browser import Browser, find_browser
from tests.studio.team import work_together

from maskwright.data.synth.streets import write_street_scenes

MINUTES = 10


@pytest.mark.long
def test_no_edit_is_lost_while_two_paint_and_a_third_reviews(start_studio, tmp_path):
    data = tmp_path / "streets"
    write_street_scenes(data, num_images=60 * MINUTES, size_HW=(300, 520))
    browsers = {n: Browser(find_browser(), tmp_path / n) for n in ("ann", "ben")}
    try:
        outcome = work_together(data, (), start_studio, browsers, MINUTES)
    finally:
        for browser in browsers.values():
            browser.close()
    assert outcome.faults == ()
    assert outcome.stored == len(outcome.acknowledged_ms)
    assert outcome.stored > 10 * MINUTES
    assert outcome.returned > MINUTES
    assert outcome.accepted > 0
