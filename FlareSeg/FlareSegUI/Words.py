"""What the command says, in the words of the panel: nobody has a command line in Slicer."""

import re

from slicer.i18n import tr as _


def inPanel(text: str) -> str:
    """Return a message of the core without options and commands that Slicer does not have."""
    for pattern, words in _words():
        text = re.sub(pattern, words, text)
    return text


def _words() -> list[tuple[str, str]]:
    """Return patterns and what stands for them; the more special ones first."""
    again = _("press Apply again and let FlareSeg install it")
    runtime = _(
        "install the Microsoft Visual C++ Redistributable (x64) of Microsoft and restart Slicer: "
        "Windows has an older one than onnxruntime needs"
    )
    return [
        (r"choose --configuration", _("choose the folder of one of them")),
        (r"name another --checkpoint or --folds", _("is its training finished?")),
        (r"\(DLL load failed[^)]*\): pip install onnxruntime", ": " + runtime),
        (r"(run )?pip install '?(highdicom|flareseg\[dicom)[^,;)]*", _("use Slicer 5.12")),
        (r"(run )?pip install( '[^']+'| [\w.-]+)*", again),
        (r"use --speed (\w+)", _('set Speed to "{speed}"').format(speed=r"\1")),
        (r"(pass|give) --hu-offset (-?\d+)", _("add {offset} to its voxels").format(offset=r"\2")),
        (
            r"(pass|give) --series( UID| with one of them)?",
            _("give a folder with one series only"),
        ),
        (
            r"(give |check )--model( a FlareSeg model folder)?",
            _("choose another model in Advanced"),
        ),
        (r"\(run with --debug for the traceback\)", _("(see the log)")),
        (r"--skip-existing", _('"Skip existing"')),
        (r"(?<![\w-])--([a-z][\w-]*)", _("the option {name}").format(name=r"\1")),
    ]
