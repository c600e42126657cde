import io
from datetime import date

import numpy as np
import pytest
from PIL import Image
from tests.studio_pages import make_team

from maskwright.core.labels import IGNORE
from maskwright.quality.majority import find_uncertainty, vote
from maskwright.quality.votes import count_votes
from maskwright.store.database import write_meta
from maskwright.studio.judging import count_errors, estimate_iou, score_sums
from maskwright.studio.progress import project_end
from maskwright.studio.project import open_project
from maskwright.studio.settings import Settings
from maskwright.studio.stream import _is_gold_due
from maskwright.studio.verify import verify


@pytest.fixture
def team(project):
    people = {"ann": "annotator", "bob": "annotator", "cid": "annotator", "mia": "manager"}
    return make_team(project, **people)


def _set(team, **settings):
    done = team["mia"].ask("POST", "/api/settings", json=settings)
    assert done.status_code == 200, done.text


def _take_next(page):
    return page.ask("POST", "/api/next").json()


def _label(page, number, *, size=40, value=1):
    """Paint a square of `size` pixels, fill the rest with class 0, and submit."""
    page.lease(number)
    side = 8 * size
    page.draw(
        0, number, value=value, kind="polygon", rings=[[0, 0, side, 0, side, side, 0, side]]
    )
    page.draw(1, number, value=0, mode="keep", kind="all")
    labels_HW = page.read_map(number)
    done = page.step("submit", 2, number)
    assert done.json()["state"] == "submitted", done.text
    return labels_HW


def _accept(team, number, size=40):
    """A manager labels an image, and another person accepts it."""
    team["mia"].lease(number)
    _label(team["mia"], number, size=size)
    done = team["zoe"].step("accept", 2, number)
    assert done.json()["state"] == "accepted", done.text


def test_three_annotators_give_the_map_of_the_formula_and_undo_restores_it(project, team):
    _set(team, copies=3, gold_first=0)
    assert team["ann"].ask("GET", "/api/items").json() == {"items": []}
    maps, numbers = [], []
    for name, size in (("ann", 40), ("bob", 50), ("cid", 60)):
        number = _take_next(team[name])["id"]
        assert _take_next(team[name])["id"] == number  # what is begun comes first
        assert number not in (1, 2, 3)
        numbers.append(number)
        maps.append(_label(team[name], number, size=size, value=2 if name == "cid" else 1))
    votes = count_votes(maps)
    expected_HW = votes.paint(vote(votes, 3))
    mia = team["mia"]
    merged = mia.item(1)
    assert (merged["state"], merged["annotator"]) == ("submitted", None)
    labels_HW = mia.read_map(1)
    assert (labels_HW == expected_HW).all()
    assert (labels_HW[:40, :40] == 1).all()  # two say 1, one 2
    assert (labels_HW[45, 45], labels_HW[55, 55], labels_HW[80, 80]) == (IGNORE, 0, 0)
    shade = mia.ask("GET", "/api/items/1/shade/uncertainty").content
    alpha_HW = np.asarray(Image.open(io.BytesIO(shade)).convert("RGBA"))[..., 3]
    uncertain_HW = find_uncertainty(votes, 3)[votes.index_HW]
    assert (alpha_HW == np.rint(255 * uncertain_HW)).all()
    assert team["ann"].ask("GET", "/api/items/1/shade/uncertainty").status_code == 404
    mia.step("review", 1)
    mia.lease()
    assert mia.edit({"undoes": 1}, 1).status_code == 200
    assert (mia.read_map(1) == 255).all()
    assert verify(project).faults == ()
    assert mia.step("return", 2).json()["state"] == "returned"
    assert [team["mia"].item(n)["state"] for n in numbers] == ["returned"] * 3
    assert _take_next(team["bob"])["id"] == numbers[1]


def test_a_manager_merges_again_by_staple_and_accepting_ends_the_copies(team):
    _set(team, copies=3, gold_first=0, quorum=3, share=1.0)
    sizes = {"ann": 40, "bob": 44, "cid": 48}
    copies = [_take_next(team[name])["id"] for name in sizes]
    early = team["mia"].ask("POST", "/api/items/1/merge", json={})
    assert "3 of 3 copies are not submitted" in early.json()["error"]
    for (name, size), number in zip(sizes.items(), copies, strict=True):
        _label(team[name], number, size=size)
    mia = team["mia"]
    assert (mia.read_map(1) == IGNORE).sum() == 48**2 - 40**2
    again = mia.ask("POST", "/api/items/1/merge", json={"method": "staple"}).json()
    assert again["state"] == "submitted"
    assert (mia.read_map(1) == 1).sum() == 44**2
    edits = mia.ask("GET", "/api/items/1/edits").json()["edits"]
    assert [e["method"] for e in edits] == ["majority", "staple"]
    assert set(edits[1]["sensitivity"]) == set(sizes)
    assert edits[0]["undecided_px"] == 48**2 - 40**2
    mia.step("accept", again["rev"])
    assert {mia.item(n)["state"] for n in copies} == {"accepted"}
    assert "is accepted and not changed" in team["ann"].draw(2, copies[0], kind="all").text
    assert _take_next(team["cid"])["id"] not in (1, 2, 3, *copies)


def test_a_copy_is_painted_by_its_annotator_alone_and_has_no_review(team):
    _set(team, copies=1, gold_first=0)
    number = _take_next(team["ann"])["id"]
    mia = team["mia"]
    mia.lease(number)
    assert "this copy is the work of ann alone" in mia.draw(0, number, kind="all").text
    mia.lease(number, take="end")
    _label(team["ann"], number)
    assert "a copy has no accept; its image has" in mia.step("accept", 2, number).text
    assert team["bob"].ask("GET", f"/api/items/{number}").status_code == 404


def test_gold_looks_like_other_work_and_is_scored_by_its_sealed_map(project, team):
    team |= make_team(project, zoe="reviewer")
    _accept(team, 1)
    sealed = team["mia"].ask("POST", "/api/items/1/reference", json={"kind": "gold"})
    assert sealed.json()["reference"] == "gold"
    refused = team["mia"].ask("POST", "/api/items/2/reference", json={"kind": "gold"})
    assert "is new; what judges others is accepted" in refused.json()["error"]
    _set(team, copies=1, gold_first=10)
    with project.store.write() as connection:
        write_meta(connection, "seed", "0")  # gold is due once among the first three images
    ann, handed = team["ann"], []
    for _ in range(3):
        item = _take_next(ann)
        handed.append(item)
        _label(ann, item["id"], size=30)
    keys = [item["key"] for item in handed]
    everything = {i["id"]: i for i in team["mia"].ask("GET", "/api/items").json()["items"]}
    kinds = [everything[item["id"]]["kind"] for item in handed]
    assert kinds.count("gold") == 1
    assert len(set(keys)) == 3
    assert len({tuple(sorted(item)) for item in handed}) == 1  # the same keys of JSON
    for path in ("", "/edits", "/comments"):
        answers = [ann.ask("GET", f"/api/items/{i['id']}{path}").json() for i in handed]
        assert len({tuple(sorted(answer)) for answer in answers}) == 1
        assert "gold" not in str(answers)
    assert ann.ask("GET", f"/api/items/{handed[0]['id']}/shade/errors").status_code == 404
    people = {p["name"]: p for p in team["mia"].ask("GET", "/api/people").json()["people"]}
    assert people["ann"]["gold"] == {"num": 1, "low": None, "passes": None}
    scores = people["ann"]["overall"]["scores"]["gold"]
    assert scores["num"] == 1
    assert scores["iou"]["value"] < 1
    own = ann.ask("GET", "/api/people").json()["people"]
    assert [p["name"] for p in own] == ["ann"]
    assert "gold" not in str(own)
    assert people["ann"]["overall"]["images"] == 3
    assert people["ann"]["overall"]["edits"] == 6
    assert list(people["ann"]["weeks"].values()) == [people["ann"]["overall"]]
    _set(team, copies=1, shows_metrics=False)
    assert ann.ask("GET", "/api/people").json() == {"people": []}


def test_practice_comes_until_it_is_passed_and_shows_the_errors(project, team):
    team |= make_team(project, zoe="reviewer")
    _accept(team, 1, size=40)
    team["mia"].ask("POST", "/api/items/1/reference", json={"kind": "practice"})
    _set(team, copies=1, gold_first=0, practice_iou=0.9)
    ann = team["ann"]
    first = _take_next(ann)
    assert first["is_practice"]
    _label(ann, first["id"], size=80)
    shade = ann.ask("GET", f"/api/items/{first['id']}/shade/errors").content
    wrong_HW = np.asarray(Image.open(io.BytesIO(shade)).convert("RGBA"))[..., 3] > 0
    assert wrong_HW.sum() == 80**2 - 40**2
    own = ann.ask("GET", "/api/people").json()["people"][0]["overall"]["scores"]["practice"]
    assert own["iou"]["value"] < 0.9
    told = ann.ask("GET", "/api/practice").json()
    known = {"done": 1, "images": 1, "iou": own["iou"]["value"], "least_iou": 0.9}
    assert told == {**known, "is_passed": False}
    second = _take_next(ann)
    assert second["is_practice"]
    assert second["id"] != first["id"]
    _label(ann, second["id"], size=41)  # within the tolerance
    told = ann.ask("GET", "/api/practice").json()
    assert told == {**known, "iou": 1.0, "is_passed": True}  # the last try counts
    assert not _take_next(ann)["is_practice"]


def test_practice_begins_without_the_labels_that_it_is_judged_by(scenes):
    with open_project(scenes) as project:
        team = make_team(project, ann="annotator", rob="reviewer", mia="manager")
        truth_HW = team["mia"].read_map()
        assert (truth_HW < 255).any()
        team["mia"].step("submit", 0)
        team["rob"].step("accept", 0)
        team["mia"].ask("POST", "/api/items/1/reference", json={"kind": "practice"})
        _set(team, copies=1)
        first = _take_next(team["ann"])
        assert first["is_practice"]
        assert (team["ann"].read_map(first["id"]) == 255).all()


def test_gold_is_three_of_the_first_twenty_and_one_of_each_twenty_after():
    settings = Settings()
    for name in ("ann", "bob"):
        due = [_is_gold_due("seed", name, position, settings) for position in range(100)]
        assert [sum(due[i : i + 20]) for i in range(0, 100, 20)] == [3, 1, 1, 1, 1]
    others = [_is_gold_due("other seed", "ann", position, settings) for position in range(100)]
    assert others != due


def test_counts_of_a_map_by_hand():
    truth_HW = np.zeros((40, 40), np.uint8)
    truth_HW[:, 20:] = 1
    truth_HW[0] = IGNORE
    labels_HW = truth_HW.copy()
    labels_HW[1:11, :10] = IGNORE  # left out
    labels_HW[1:11, 30:] = 0  # wrong
    counts = count_errors(truth_HW, labels_HW, 2, 1)
    # columns 19 and 20 and row 1 are beside a border
    right, wrong = 19 * 38 - 90, 90
    assert counts["confusion"].tolist() == [[right, 0, wrong], [wrong, right, 0]]
    scores = score_sums([counts])
    zero, one = right / (right + 2 * wrong), right / (right + wrong)
    assert scores["iou_by_class"] == pytest.approx([zero, one])
    assert scores["iou"] == {
        "value": pytest.approx((zero + one) / 2),
        "low": None,
        "high": None,
    }


def test_the_lower_end_falls_where_images_differ():
    rng = np.random.default_rng(0)
    truth_HW = np.repeat(np.repeat(rng.integers(0, 3, (5, 5)), 12, 0), 12, 1).astype(np.uint8)

    def count(share):
        labels_HW = np.where(rng.random(truth_HW.shape) < share, 0, truth_HW)
        return count_errors(truth_HW, labels_HW.astype(np.uint8), 3, 1)

    even = estimate_iou([count(0.1) for _ in range(10)])
    uneven = estimate_iou([count(share) for share in np.linspace(0, 0.2, 10)])
    assert even.value == pytest.approx(uneven.value, abs=0.02)
    assert uneven.low < even.low < even.value < even.high
    same = estimate_iou([count(0.0)] * 9)
    assert (same.value, same.low) == (1.0, None)


def test_guidelines_have_words_and_examples_with_labels(team):
    mia = team["mia"]
    mia.lease()
    mia.draw(0, value=2, kind="polygon", rings=[[0, 0, 400, 0, 400, 400, 0, 400]])
    mia.draw(1, value=0, kind="polygon", rings=[[480, 0, 800, 0, 800, 400, 480, 400]])
    example = {"item": 1, "rev": 2, "left": 0, "top": 0, "width": 100, "height": 80}
    guideline = {"name": "tree", "text": "<b>leaves</b>", "extent": "whole"}
    guideline["examples"] = [example | {"is_good": True, "note": "all of it"}]
    assert mia.ask("POST", "/api/guidelines", json=guideline).json() == guideline
    assert team["ann"].ask("GET", "/api/guidelines").json() == {"guidelines": [guideline]}
    shown = team["ann"].ask("GET", "/api/guidelines/tree/0")
    picture_HW3 = np.asarray(Image.open(io.BytesIO(shown.content)))
    assert picture_HW3.shape == (80, 200, 3)
    plain, labelled = picture_HW3[:, :100], picture_HW3[:, 100:]
    assert (plain[60:, 60:] == labelled[60:, 60:]).all()
    assert (plain[:50, :50] != labelled[:50, :50]).any(axis=2).all()
    dark = plain[:50, 60:] / 2  # the colour of class 0 is black
    assert labelled[:50, 60:] == pytest.approx(dark, abs=0.6)
    assert team["ann"].ask("GET", "/api/guidelines/tree/1").status_code == 404
    wrong = mia.ask("POST", "/api/guidelines", json={"name": "boat"})
    assert "there is no class 'boat'" in wrong.json()["error"]


def test_progress_has_days_and_the_projected_end(team):
    today = date(2026, 11, 30)
    steps = [(date(2026, 11, 27), 1), (date(2026, 11, 28), 1), (date(2026, 11, 29), -1)]
    assert project_end(steps, 6, today) == "2026-12-24"  # 1 in 4 days
    assert project_end([], 6, today) is None
    assert project_end([(date(2026, 10, 1), 5)], 6, today) is None
    found = team["ann"].ask("GET", "/api/progress").json()
    assert found == {"states": {"new": 3}, "days": [], "left": 3, "end": None}
