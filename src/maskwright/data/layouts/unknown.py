"""What is in a folder whose layout no format has, and a line of dataset.yaml that fits it."""

from pathlib import Path

from ..entries.walk import folders


def describe_unknown(root: Path) -> str:
    """One message: what was expected, what is there, and the fix."""
    there = ", ".join(folders(root)) or "no folders"
    return (
        f"{root}: expected a folder of images beside a folder of masks, found {there}; "
        f"name them 'images' and 'masks', or write their names in dataset.yaml: "
        f"{{images: photos, masks: truth}}"
    )
