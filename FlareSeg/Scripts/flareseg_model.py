"""A trained nnU-Net becomes a model of FlareSeg; in the worker process, which torch may keep busy.

model.json    the folder or zip, and where models are kept
model.txt     the folder of the model that was made
"""

import json
import sys
import tempfile
from pathlib import Path

from FlareSegUI.RunFiles import MADE, MODEL


def convert(folder: Path) -> None:
    """Convert what model.json names.

    Raises:
        FlareSegError, OSError: It cannot be converted.
    """
    from FlareSegLib.models.sources import import_from

    facts = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    tempfile.tempdir = str(folder.resolve())  # it goes with the run, however that ends
    made = import_from(Path(facts["source"]), into=Path(facts["into"]), tell=_tell)
    (folder / MADE).write_text(str(made), encoding="utf-8")


def _tell(share: float) -> None:
    sys.stdout.write(json.dumps({"step": "convert", "share": share}) + "\n")
    sys.stdout.flush()
