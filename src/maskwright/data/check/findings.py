"""Findings: problems of a dataset, by kind, each with its fix.

An `error` harms training (a wrong, missing or leaking label), a `warning` may, and a `note`
does not. A finding counts all its files and keeps the first `MAX_EXAMPLES`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Generic, Literal, TypedDict, TypeVar, get_args

from ..pixels.imageref import ImageRef

Severity = Literal["error", "warning", "note"]
Code_contra = TypeVar("Code_contra", bound=str, contravariant=True)
MAX_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: `what` is followed by a count, `fix` is what to do."""

    severity: Severity
    what: str
    fix: str


KINDS: dict[str, Kind] = {
    "missing-mask": Kind(
        "error",
        "images without a mask",
        "add the masks under the same names, or move the images out",
    ),
    "missing-image": Kind(
        "warning",
        "masks without an image",
        "add the images, or remove the masks; check for names that differ by a letter",
    ),
    "left-out": Kind(
        "warning",
        "images and labels that are not read",
        "add the files that are missing, or remove what is not needed",
    ),
    "unlabelled-split": Kind(
        "note",
        "splits without any mask",
        "nothing to do if they are only to be predicted",
    ),
    "same-key": Kind(
        "error",
        "images whose key another image has",
        "rename one, or remove it if it is the same image; keys are unique over all splits",
    ),
    "too-few-images": Kind(
        "error",
        "fewer than two images, one for training and one for validation",
        "add images",
    ),
    "unreadable-image": Kind(
        "error", "images that cannot be read", "do what the line of each file says"
    ),
    "no-data": Kind(
        "note",
        "images with pixels that hold no data (nodata, a mask, alpha 0, NaN)",
        "nothing to do: these pixels are neither trained on, nor scored, predicted or counted",
    ),
    "unreadable-mask": Kind(
        "error", "masks that cannot be read", "do what the line of each file says"
    ),
    "size-mismatch": Kind(
        "error",
        "masks of another size than their image",
        "save the mask at the size of the image as a viewer shows it (EXIF applied)",
    ),
    "misaligned": Kind(
        "error",
        "masks that do not lie where their image lies",
        "resample them with `maskwright convert --align`, or save them on the grid of the "
        "image, with its affine or georeference",
    ),
    "unit-assumed": Kind(
        "note",
        "volumes whose header states no unit of length",
        "nothing to do if spacings are in mm; else write the unit into the header",
    ),
    "two-orientations": Kind(
        "warning",
        "volumes whose sform and qform differ, so that programs show them at two places",
        "find out which of the two is right, and write it into both",
    ),
    "no-volume": Kind(
        "warning",
        "files whose frames are not one volume, and have no millilitres or distances in 3-D",
        "resample the frames to equal distances, or export the file again with all frames of "
        "one volume",
    ),
    "mixed-planes": Kind(
        "warning",
        "volumes cut in another plane than most",
        "train on volumes of one plane: resample the others to the same order of spacings",
    ),
    "mixed-images": Kind(
        "error",
        "images of another kind (channels, bits) than most, which training refuses",
        "convert them; input.channels=3 converts grey and RGB of the same bits",
    ),
    "converted-images": Kind(
        "note",
        "images of another kind than most, which training and prediction convert",
        "nothing to do: values stay the same, and grey stands for red, green and blue",
    ),
    "unclear-labels": Kind(
        "error",
        "questions about what mask values mean",
        "list the classes in dataset.yaml, each with its 'raw' values",
    ),
    "unlisted-values": Kind(
        "error",
        "masks with values that no class has",
        "in dataset.yaml, list them as 'raw' of a class or add them to 'ignored'",
    ),
    "lossy-mask": Kind(
        "error",
        "masks saved with loss (JPEG), so their values are not those drawn",
        "export the masks again as PNG; values already lost do not come back",
    ),
    "antialiased-mask": Kind(
        "error",
        "masks with blurred (antialiased) borders, whose values mean nothing",
        "export or resize masks without smoothing (nearest neighbour)",
    ),
    "empty-mask": Kind(
        "warning",
        "masks where every pixel is ignored",
        "label them, or remove them: they add nothing to training",
    ),
    "one-class-mask": Kind(
        "note", "masks with one class only", "nothing to do if the images show one class"
    ),
    "mostly-ignored": Kind(
        "note",
        "masks with more than half of their pixels ignored",
        "nothing to do if that is intended; else check 'ignored' in dataset.yaml",
    ),
    "outside-image": Kind(
        "warning",
        "annotations with shapes that reach past the image",
        "move the corners inside; what lies outside is cut off",
    ),
    "no-region": Kind(
        "note",
        "annotations with objects that are not regions, which are skipped",
        "nothing to do, or draw them as polygons or masks",
    ),
    "specks": Kind(
        "note",
        "masks with specks of at most four pixels",
        "nothing to do if objects are that small; else remove the specks",
    ),
    "pin-holes": Kind(
        "note",
        "masks with holes of at most four pixels in one class",
        "fill them in the annotation tool",
    ),
    "gaps": Kind(
        "note",
        "masks with strips one pixel wide of a class that is wide elsewhere",
        "let shapes that touch share their border; nothing to do if such things are thin",
    ),
    "low-agreement": Kind(
        "warning",
        "pairs of annotators who agree no more than moderately (Cohen's kappa below 0.6)",
        "check the disputed images, and agree on what belongs to which class",
    ),
    "disputed-image": Kind(
        "note",
        "images on which annotators disagree, worst first",
        "nothing to do at borders; where whole objects differ, agree on their class",
    ),
    "one-class": Kind(
        "error",
        "only one class is labelled; training needs at least two",
        "label another class; check 'raw' and 'ignored' in dataset.yaml",
    ),
    "alike-names": Kind(
        "warning",
        "class names that differ only in case, spacing or signs",
        "make them one class: list both under 'raw', or map them with `convert --classes`",
    ),
    "value-gaps": Kind(
        "note",
        "values between 0 and the largest that no class has",
        "nothing to do if they were left out on purpose; else name their classes",
    ),
    "absent-class": Kind(
        "warning",
        "classes that never occur",
        "remove them from the classes, or label some; check their 'raw' values",
    ),
    "class-not-in-train": Kind(
        "error",
        "classes that occur, but not in train",
        "draw the splits again with `maskwright split`: training needs images of each class",
    ),
    "class-not-in-val": Kind(
        "warning",
        "classes in train, but not in val",
        "draw the splits again with `maskwright split`: val scores each class on its images",
    ),
    "no-train": Kind(
        "warning",
        "splits that training needs and that are missing",
        "draw splits with `maskwright split` before training",
    ),
    "stale-splits": Kind(
        "error",
        "splits files that do not fit",
        "draw the splits again with `maskwright split`, or remove splits.json",
    ),
    "group-across-splits": Kind(
        "warning",
        "groups (folders) with images in several splits",
        "keep a group together: `maskwright split` does",
    ),
    "duplicate-across-splits": Kind(
        "error",
        "images that another split holds too, pixel for pixel (a leak)",
        "remove one of each, or put both into one split",
    ),
    "copy-across-splits": Kind(
        "error",
        "images that another split holds in another encoding or size (a leak)",
        "remove one of each, or put both into one split",
    ),
    "similar-across-splits": Kind(
        "warning",
        "images similar to one of another split, as frames of one video are (a leak?)",
        "split by video or place: `maskwright split --group`",
    ),
    "duplicate": Kind("warning", "images that occur twice in one split", "remove one of each"),
    "near-duplicate": Kind(
        "note",
        "images similar to another in their split",
        "nothing to do for a video; keep such images in one split",
    ),
    "joined-things": Kind(
        "note",
        "classes whose shapes touch or overlap others of the class, and merge in a class map",
        "nothing to do for areas and shares; to count such things, choose a method that "
        "separates instances, or leave a gap between them (docs/howto/which-task.md)",
    ),
    "whole-image-classes": Kind(
        "note",
        "sets of classes of which nearly every mask shows one alone",
        "to know which class an image is, a classifier is enough and needs no masks "
        "(docs/howto/which-task.md)",
    ),
    "box-labels": Kind(
        "note",
        "classes whose regions are nearly all upright rectangles",
        "to find boxes, a detector is enough; to learn outlines, draw them along the things "
        "(docs/howto/which-task.md)",
    ),
    "thin-class": Kind(
        "note",
        "classes that are nearly all lines one pixel wide",
        "draw the lines as wide as they are, 3 px or more, or take larger images; scores of "
        "such lines depend on single pixels (docs/howto/which-task.md)",
    ),
    "many-classes": Kind(
        "note",
        "label sets with fewer than two masks for each class",
        "merge rare classes (`maskwright check DATA --propose-mapping merged.yaml` proposes "
        "how), or label more images (docs/howto/which-task.md)",
    ),
    "resolution-spread": Kind(
        "warning",
        "images larger than 16 times the smallest, in pixels",
        "bring the images to one scale if they show the same things",
    ),
}
"""Code_contra -> kind, in the order of a report."""


def require_texts(*codes: Any) -> None:
    """Check that `KINDS` has a text for each code that an owner declares, and no other.

    `codes` are the Literal types of all owners.

    Raises:
        ValueError: A code without a text, a text without an owner, or a code of two owners.
    """
    declared = [code for owner in codes for code in get_args(owner)]
    wrong = {
        "without a text": sorted(set(declared) - KINDS.keys()),
        "without an owner": sorted(KINDS.keys() - set(declared)),
        "of two owners": sorted({code for code in declared if declared.count(code) > 1}),
    }
    problems = [f"{', '.join(names)} {what}" for what, names in wrong.items() if names]
    if problems:
        raise ValueError(f"kinds of findings {'; '.join(problems)}; see {__name__}.KINDS")


class FileDocument(TypedDict):
    """One example of a finding, as JSON."""

    file: str
    detail: str


class FindingDocument(TypedDict):
    """One kind of finding, as JSON; `files` holds the first few."""

    code: str
    severity: str
    count: int
    message: str
    files: list[FileDocument]
    fix: str


@dataclass(slots=True)
class Finding:
    """One kind of finding: `count` files, and a detail on each of the first few.

    `fix` is what to do in this dataset; by default that of the kind.
    """

    code: str
    fix: str = ""
    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """Severity, text and fix."""
        return KINDS[self.code]

    def to_json(self) -> FindingDocument:
        """The finding as one JSON object."""
        return {
            "code": self.code,
            "severity": self.kind.severity,
            "count": self.count,
            "message": f"{self.kind.what}: {self.count}",
            "files": [{"file": file, "detail": detail} for file, detail in self.examples],
            "fix": self.fix or self.kind.fix,
        }


@dataclass(slots=True)
class Findings(Generic[Code_contra]):
    """Collects findings of the codes `Code_contra`; paths are shown relative to `root`."""

    root: Path
    by_code: dict[str, Finding] = field(default_factory=dict)

    def add(
        self, code: Code_contra, file: ImageRef | Path | str, detail: str = "", *, fix: str = ""
    ) -> None:
        """Count one file under `code`; the first `fix` replaces that of the kind."""
        finding = self.by_code.setdefault(code, Finding(code, fix))
        finding.count += 1
        if len(finding.examples) < MAX_EXAMPLES:
            finding.examples.append((self.shorten(file), detail))

    def add_all(
        self, code: Code_contra, files: Iterable[ImageRef], count: int, detail: str
    ) -> None:
        """Count so many files under `code`, of which `files` are the first."""
        for file in files:
            self.add(code, file, detail)
            count -= 1
        self.by_code[code].count += count

    def shorten(self, file: ImageRef | Path | str) -> str:
        """A path relative to the root, where it lies below it."""
        path = file.path if isinstance(file, ImageRef) else file
        if isinstance(path, PurePath) and path.is_relative_to(self.root):
            return str(path.relative_to(self.root))
        return str(path)

    def sort(self) -> tuple[Finding, ...]:
        """Errors first, then in the order of KINDS."""
        severities = ("error", "warning", "note")
        codes = list(KINDS)
        return tuple(
            sorted(
                self.by_code.values(),
                key=lambda f: (severities.index(f.kind.severity), codes.index(f.code)),
            )
        )
