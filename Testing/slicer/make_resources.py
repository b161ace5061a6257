"""Write the module's drawn and derived files: icon, thumbnail, terminology.

    python -m Testing.slicer.make_resources

The drawings are ours: ellipses from Testing/phantoms.py in the organs' colors.
"""

import json
import os
from pathlib import Path

from FlareSegLib.base.labels import Organ
from Testing.flare import ORGANS

RESOURCES = Path(__file__).parents[2] / "FlareSeg" / "Resources"
TERMINOLOGY = RESOURCES / "Terminologies" / "FlareSeg.term.json"
SCHEMA = (
    "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
)
SIDES = {"right": ("24028007", "Right"), "left": ("7771000", "Left")}
DRAWN = (
    "liver",
    "stomach",
    "spleen",
    "right_kidney",
    "left_kidney",
    "inferior_vena_cava",
    "aorta",
    "duodenum",
    "pancreas",
    "gallbladder",
)
"""From the back to the front."""
WIDTH_MM, HEIGHT_MM = 330.0, 300.0
"""What the icon shows: right to left, and head to foot."""


def terminology() -> dict:
    """Return the organs as a terminology context of Slicer: names, codes, sides, colors."""
    kinds: dict[str, dict] = {}
    for organ in ORGANS:
        kind = kinds.setdefault(organ.snomed, _code(organ.snomed, organ.snomed_meaning))
        shown = {"recommendedDisplayRGBValue": list(organ.color), "3dSlicerLabel": organ.key}
        if organ.side is None:
            kind |= shown
        else:
            side = _code(*SIDES[organ.side]) | shown
            kind.setdefault("Modifier", []).append(side)
            kind.setdefault("recommendedDisplayRGBValue", list(organ.color))
    category = _code("123037004", "Anatomical Structure") | {"showAnatomy": "false"}
    return {
        "SegmentationCategoryTypeContextName": "Segmentation category and type - FlareSeg",
        "@schema": SCHEMA,
        "SegmentationCodes": {"Category": [category | {"Type": list(kinds.values())}]},
    }


def _code(value: str, meaning: str) -> dict:
    return {"CodeMeaning": meaning, "CodingSchemeDesignator": "SCT", "CodeValue": value}


def draw(pixels: int, path: Path) -> None:
    """Draw a torso with the organs, seen from the front."""
    from PySide6 import QtCore, QtGui

    from Testing.phantoms import SHAPES

    image = QtGui.QImage(pixels, pixels, QtGui.QImage.Format_ARGB32)
    image.fill(QtCore.Qt.transparent)
    painter = QtGui.QPainter(image)
    painter.setRenderHint(QtGui.QPainter.Antialiasing)
    painter.scale(pixels / WIDTH_MM, pixels / WIDTH_MM)
    painter.translate(WIDTH_MM / 2, WIDTH_MM / 2)
    painter.setPen(QtCore.Qt.NoPen)
    painter.setBrush(QtGui.QColor("#20303f"))
    painter.drawRoundedRect(QtCore.QRectF(-160, -160, 320, 320), 58, 58)
    for key in DRAWN:
        _organ(painter, SHAPES[key], next(organ for organ in ORGANS if organ.key == key))
    painter.end()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(str(path))


def _organ(painter: object, shape: object, organ: Organ) -> None:
    """Draw the outline from the front: the patient's right on the left, the head up."""
    from PySide6 import QtCore, QtGui

    x, _, z = shape.centre
    width, _, height = shape.radii
    z, height = z - 25, min(height, 138)
    z = -2 if height == 138 else z
    painter.setBrush(QtGui.QColor(*organ.color))
    painter.setPen(QtGui.QPen(QtGui.QColor("#20303f"), 5))
    painter.drawRoundedRect(
        QtCore.QRectF(x - width, -z - height, 2 * width, 2 * height), width, min(width, height)
    )


def main() -> None:
    """Write all files."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6 import QtGui

    app = QtGui.QGuiApplication([])
    TERMINOLOGY.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(terminology(), indent=1, ensure_ascii=False)
    TERMINOLOGY.write_text(text + "\n", encoding="utf-8")
    draw(128, RESOURCES / "Icons" / "FlareSeg.png")
    draw(256, RESOURCES / "Icons" / "FlareSegSampleCT.png")
    del app


if __name__ == "__main__":
    main()
