"""Keep the runtimes of networks from telling their makers of a run.

onnxruntime (since its official builds carry Microsoft's 1DS) and openvino (through the package
openvino_telemetry, to Google Analytics) do so by default, with an identifier that they keep in the
home folder. openvino forks a process for it, which may hang and hold the pipes of this one open.
"""

import os
import sys


def telemetry_off() -> None:
    """Turn it off, as their makers provide for: to be called before either is imported.

    See Privacy.md of onnxruntime. Without its package openvino takes a stub that tells nothing.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
