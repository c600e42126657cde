import math

import numpy as np
import pytest

from maskwright.training.checkpoint import RunProgress
from maskwright.training.tracking.history import (
    IOU,
    IOU_COLUMNS,
    LOG,
    STEP_COLUMNS,
    STEPS,
    History,
    StepPoint,
    read_columns,
)

CLASSES = ("road", "=car, red")


def point(step):
    return StepPoint(
        step=step,
        seconds=2.5,
        loss=1 / 3,
        lr=1e-3,
        images_per_s=8,
        wait=0.25,
        cpu=1,
        memory=0.5,
    )


@pytest.fixture
def history(tmp_path):
    history = History(tmp_path, CLASSES, 0)
    for step in (4, 8, 12):
        history.add_point(point(step))
        history.add_epoch(RunProgress(step=step, epoch=step // 4), 0.5, 1e-3, None)
        history.add_validation(step, 0.25, [step / 100, math.nan])
    history.write_steps()
    return history


def test_tables_are_csv_for_people_and_spreadsheets(history, tmp_path):
    assert (tmp_path / STEPS).read_text().splitlines()[:2] == [
        "step,seconds,loss,lr,images_per_s,wait,cpu,memory,gpu,gpu_memory",
        "4,2.5,0.333333,0.001,8,0.25,1,0.5,,",
    ]
    head, first, *_ = (tmp_path / IOU).read_text().splitlines()
    assert head == 'step,seconds,miou,road,"\'=car, red"'
    assert first == f"4,{float(first.split(',')[1]):.1f},0.250000,0.040000,"
    assert (tmp_path / LOG).read_text().splitlines()[1].startswith("1,4,0.5,0.001,,")


def test_columns_are_numbers_with_holes(history, tmp_path):
    found = read_columns(tmp_path / IOU, (*IOU_COLUMNS, *CLASSES))
    np.testing.assert_array_equal(found["step"], [4, 8, 12])
    np.testing.assert_array_equal(found["=car, red"], [math.nan] * 3)
    assert np.isnan(read_columns(tmp_path / STEPS, STEP_COLUMNS)["gpu"]).all()


def test_a_resumed_run_drops_what_came_after_its_checkpoint(history, tmp_path):
    history = History(tmp_path, CLASSES, 8)
    history.add_point(point(9))
    history.write_steps()
    history.add_validation(9, 0.5, [0.5, 0.5])
    history.add_epoch(RunProgress(step=9, epoch=3), 0.5, 1e-3, 0.5)
    for name, columns in ((STEPS, STEP_COLUMNS), (IOU, (*IOU_COLUMNS, *CLASSES))):
        assert read_columns(tmp_path / name, columns)["step"].tolist() == [4, 8, 9]
    assert [row.split(",")[1] for row in (tmp_path / LOG).read_text().splitlines()[1:]] == [
        *("4", "8", "9")
    ]


def test_a_table_of_other_columns_is_begun_anew(tmp_path):
    (tmp_path / IOU).write_text("step,seconds,miou,grass\n3,1.0,0.5,0.5\n")
    assert read_columns(tmp_path / IOU, (*IOU_COLUMNS, *CLASSES))["step"].tolist() == []
