"""Values of a pydicom data set for CTP scripts, independent of the engine's own."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from chorus_nb.mapping.ctp.expressions import PathStep, trimmed


class DicomValues:
    """``Values`` of a data set, or of an item with its root."""

    def __init__(self, dataset: Dataset, root: Dataset | None = None) -> None:
        self.dataset = dataset
        self.root = root or dataset

    def text(self, steps: tuple[PathStep, ...], root: bool) -> str | None:
        dataset = self.root if root else self.dataset
        for step in steps[:-1]:
            element = _find(dataset, step)
            if element is None or element.VR != "SQ" or not element.value:
                return None
            dataset = element.value[0]
        element = _find(dataset, steps[-1])
        if element is None:
            return None
        value = element.value
        if isinstance(value, bytes):
            return "\\".join(f"{byte:x}" for byte in value) if element.VR == "UN" else ""
        if element.VR == "SQ":
            return ""
        values = value if isinstance(value, MultiValue) else [value]
        return trimmed("\\".join("" if v is None else str(v) for v in values), element.VR)


def _find(dataset: Dataset, step: PathStep):
    if step.tag >> 16 == 2:
        return getattr(dataset, "file_meta", Dataset()).get(step.tag)
    if not step.creator:
        return dataset.get(step.tag)
    try:
        return dataset.private_block(step.tag >> 16, step.creator)[step.tag & 0xFF]
    except KeyError:
        return None
