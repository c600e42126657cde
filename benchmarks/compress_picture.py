"""The picture of the Pareto front in docs/howto/deploy.md, from what `compress` has measured.

    python benchmarks/compress_picture.py docs/images/compress.svg

compress.json beside this file has the candidates of the run that speed.md describes.
"""

import json
import sys
from pathlib import Path

from maskwright.compression.compress.candidates import Candidate, Wish
from maskwright.compression.compress.output import draw_candidates
from maskwright.core.atomic import write_text

MEASURED = Path(__file__).parent / "compress.json"


def main(out: Path) -> None:
    """Draw the picture."""
    found = json.loads(MEASURED.read_text())
    candidates = [Candidate(**one) for one in found["candidates"]]
    write_text(
        out, draw_candidates(candidates, Candidate(**found["chosen"]), Wish(**found["wish"]))
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
