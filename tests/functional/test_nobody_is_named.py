"""Names, identifiers, dates and UIDs of DICOM headers are in no byte of any result."""

import os
import re
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.data.pixels.test_medical import save_dicom

from maskwright.cli.main import app
from maskwright.core import pseudonyms
from maskwright.core.errors import MaskwrightError

NUM_PATIENTS, NUM_SLICES, SIDE_PX = 6, 2, 64
UID = "1.2.826.0.1.3680043.8.498"
SECRETS = re.compile(
    rb"Quux|Zyxel|QX-?\d{5}|19[0-9]{2}0[1-9]17|20230[1-9]21|" + re.escape(UID.encode())
)


@pytest.fixture(autouse=True)
def _fresh():
    pseudonyms.forget()
    yield
    pseudonyms.forget()


def write_patients(root):
    """Slices whose names hold an identifier, a name, a date or a UID, and their masks."""
    rng = np.random.default_rng(0)
    for index in range(NUM_PATIENTS * NUM_SLICES):
        patient = index // NUM_SLICES
        identifier, uid = f"QX-{77431 + patient}", f"{UID}.{patient}.{index}"
        tags = {
            "PatientID": identifier,
            "PatientName": f"Quux{patient}^Zyxel",
            "PatientBirthDate": f"19{50 + patient}0{1 + patient}17",
            "StudyDate": f"20230{1 + patient}21",
            "StudyInstanceUID": f"{UID}.{patient}",
            "SOPInstanceUID": uid,
            "Modality": "OT",
        }
        stem = [
            f"{identifier}_{index}",
            f"zyxel quux{patient} {index}",
            f"{tags['StudyDate']}-{index}",
            uid,
        ][index % 4]
        mask_HW = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        mask_HW[: 8 + 4 * patient, : 16 + index] = 1
        pixels_HW = mask_HW.astype(np.int64) * 900 + rng.integers(0, 50, mask_HW.shape)
        folder = root / "images" / f"QX{77431 + patient}"
        folder.mkdir(parents=True, exist_ok=True)
        save_dicom(folder / f"{stem}.dcm", pixels_HW.astype(np.uint16), **tags)
        (root / "masks" / folder.name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask_HW).save(root / "masks" / folder.name / f"{stem}.png")
    return root


@pytest.fixture
def patients(tmp_path):
    return write_patients(tmp_path / "data")


@pytest.fixture
def run(capsys):
    """Run a command in this process; returns all that it prints, an error too."""

    def run_command(*args):
        pseudonyms.forget()
        status, refused = 0, ""
        try:
            app([*map(str, args)], prog_name="maskwright", standalone_mode=False)
        except MaskwrightError as error:
            status, refused = 1, str(error)
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out + printed.err + refused

    return run_command


def list_leaks(folder):
    """Files below a folder that name someone, in their path or in a byte of their content."""
    leaks = []
    for path in sorted(folder.rglob("*")):
        if "dicom_seg" in path.parts and path.suffix == ".dcm":
            continue  # a DICOM-SEG belongs to the study of its source, and names it
        name = os.fsencode(path.relative_to(folder).as_posix())
        content = path.read_bytes() if path.is_file() else b""
        found = SECRETS.search(name) or SECRETS.search(content) or _search_png(content)
        if found:
            leaks.append(f"{path.relative_to(folder)}: {found[0]!r}")
    return leaks


def _search_png(content):
    """Search the packed texts of a PNG file too."""
    for start in (m.start() for m in re.finditer(b"x[\x01\x9c\xda]", content[:1_000_000])):
        try:
            unpacked = zlib.decompressobj().decompress(content[start:], 1 << 20)
        except zlib.error:
            continue
        if found := SECRETS.search(unpacked):
            return found
    return None


def list_written(patients):
    """What the commands wrote beside the data."""
    names = ("dataset.yaml", "splits.json")
    return [(patients / name).read_bytes() for name in names if (patients / name).is_file()]


def test_a_name_that_is_planted_is_found(tmp_path):
    (tmp_path / "a.json").write_text('{"key": "QX-77433_4"}')
    (tmp_path / "zyxel Quux1.png").write_bytes(b"")
    (tmp_path / "c.html").write_text("nothing")
    assert [leak.partition(":")[0] for leak in list_leaks(tmp_path)] == [
        "a.json",
        "zyxel Quux1.png",
    ]


def test_no_result_of_any_verb_names_a_patient(patients, tmp_path, run, painted_bundle):
    model = painted_bundle(
        tmp_path / "model/bundle", names=("class_0", "class_1"), channels=1, max_value=65535
    ).root
    out, images = tmp_path / "out", patients / "images"
    commands = [
        ("check", patients, "-o", out / "check"),
        ("split", patients, "--group-by", "PatientID", "--redraw"),
        ("convert", patients, out / "coco", "--to", "coco"),
        ("convert", patients, out / "masks", "--to", "mask_folder"),
        ("evaluate", model, patients, "--split", "train", "-o", out / "report"),
        ("predict", model, images, "-o", out / "predicted"),
        ("score", out / "predicted/classes", patients / "masks", "-o", out / "scored"),
        (
            "measure",
            out / "predicted/classes",
            "--images",
            patients / "images",
            "-o",
            out / "m",
        ),
    ]
    for command in commands:
        status, text = run(*command)
        assert status in {0, 3}, text
        assert not SECRETS.search(text.encode()), text
        if command[0] == "check":
            assert "names of 12 files are shown with a hash" in text
            assert "--keep-ids shows them as they are" in text
    assert list_leaks(out) == []
    assert not [text for text in list_written(patients) if SECRETS.search(text)]
    key = (patients / "pseudonyms.key").read_bytes().strip()
    assert re.fullmatch(b"[0-9a-f]{64}", key)
    assert not any(key in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_series_in_the_folder_of_a_patient_are_not_named(tmp_path, run, painted_bundle):
    model = painted_bundle(
        tmp_path / "model/bundle", names=("other", "organ"), channels=1, max_value=65535
    ).root
    for patient in range(2):
        folder = tmp_path / f"scans/QX{77431 + patient}"
        folder.mkdir(parents=True)
        for index in range(3):
            save_dicom(
                folder / f"{UID}.{patient}.{index}.dcm",
                np.full((16, 16), index, np.uint16),
                PatientID=f"QX-{77431 + patient}",
                PatientName=f"Quux{patient}^Zyxel",
                SeriesInstanceUID=f"{UID}.{patient}",
                SOPInstanceUID=f"{UID}.{patient}.{index}",
                Modality="OT",
                PixelSpacing=[1, 1],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                ImagePositionPatient=[0, 0, 2 * index],
            )
    status, text = run("predict", model, tmp_path / "scans", "-o", tmp_path / "out")
    assert status == 0, text
    assert not SECRETS.search(text.encode()), text
    assert list_leaks(tmp_path / "out") == []
    assert len(list((tmp_path / "out/overlay").rglob("*.png"))) == 6
    run("predict", model, tmp_path / "scans", "-o", tmp_path / "kept", "--keep-ids")
    assert any("QX77431" in str(path) for path in (tmp_path / "kept/overlay").rglob("*.png"))


def test_an_error_names_no_patient_and_keep_ids_names_the_file(patients, run, tmp_path):
    bad = next((patients / "masks").rglob("QX-77431_0.png"))
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(bad)
    status, text = run("convert", patients, tmp_path / "out", "--to", "voc")
    assert status == 1
    assert "is (64, 64)" in text or "64" in text
    assert not SECRETS.search(text.encode()), text
    assert list_leaks(tmp_path / "out.partial") == []
    _, text = run("convert", patients, tmp_path / "kept", "--to", "voc", "--keep-ids")
    assert "QX-77431_0.png" in text


def test_splits_hold_for_both_spellings_of_keys(patients, run):
    run("split", patients, "--redraw")
    drawn = (patients / "splits.json").read_text()
    assert not SECRETS.search(drawn.encode())
    for options in ((), ("--keep-ids",)):
        status, text = run("check", patients, *options)
        assert status == 0, text
    run("split", patients, "--redraw", "--keep-ids")
    assert "QX-77431_0" in (patients / "splits.json").read_text()
    status, text = run("check", patients)
    assert status == 0, text


@pytest.mark.slow
def test_a_run_and_its_bundle_name_no_patient(patients, tmp_path, run):
    settings = {
        "model.arch": "fpn",
        "model.encoder": "test_resnet",
        "model.encoder_weights": "none",
        "data.crop_px": "[64, 64]",
        "data.batch_size": "2",
        "schedule.epochs": "1",
    }
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    status, text = run("train", patients, "-o", tmp_path / "out/run", *options)
    assert status == 0, text
    assert not SECRETS.search(text.encode()), text
    assert list_leaks(tmp_path / "out") == []
