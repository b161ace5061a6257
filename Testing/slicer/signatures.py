"""Record what FlareSeg calls of Slicer: names, parameters and files, out of a copy of its source.

    python -m Testing.slicer.signatures SLICER_SOURCE VERSION

writes signatures.json. test_signatures.py holds the module and the rig's stand-ins to it, and the
list to the source where FLARESEG_SLICER_SOURCE names one. Only names are recorded, no code.
"""

import ast
import json
import re
import sys
from pathlib import Path

LIST = Path(__file__).with_name("signatures.json")
BASE = "Base/Python/slicer"
SCRIPTED = "Modules/Scripted"
PYTHON = {
    f"{BASE}/util.py": [
        "arrayFromVolume", "childWidgetVariables", "confirmOkCancelDisplay", "errorDisplay",
        "getModuleLogic", "getNodesByClass", "launchConsoleProcess", "loadUI", "loadVolume",
        "mainWindow", "reloadScriptedModule", "selectModule", "tryWithErrorDisplay",
        "updateVolumeFromArray",
        "VTKObservationMixin.addObserver", "VTKObservationMixin.removeObserver",
        "VTKObservationMixin.removeObservers",
    ],
    f"{BASE}/i18n.py": ["tr", "translate"],
    f"{BASE}/ScriptedLoadableModule.py": [
        "ScriptedLoadableModule.__init__", "ScriptedLoadableModuleWidget.__init__",
        "ScriptedLoadableModuleWidget.cleanup", "ScriptedLoadableModuleWidget.onReload",
        "ScriptedLoadableModuleWidget.resourcePath", "ScriptedLoadableModuleWidget.setup",
        "ScriptedLoadableModuleLogic.__init__", "ScriptedLoadableModuleLogic.getParameterNode",
        "ScriptedLoadableModuleTest.delayDisplay",
    ],
    f"{BASE}/parameterNodeWrapper/wrapper.py": ["parameterNodeWrapper"],
    f"{BASE}/parameterNodeWrapper/validators.py": ["Choice.__init__", "WithinRange.__init__"],
    f"{SCRIPTED}/SampleData/SampleData.py": [
        "SampleDataLogic.downloadFromSource", "SampleDataLogic.registerCustomSampleDataCategory",
        "SampleDataLogic.registerCustomSampleDataSource",
    ],
    "Modules/Loadable/SubjectHierarchy/Widgets/Python/SubjectHierarchyPlugins/"
    "AbstractScriptedSubjectHierarchyPlugin.py": [
        "AbstractScriptedSubjectHierarchyPlugin.__init__",
        "AbstractScriptedSubjectHierarchyPlugin.register",
    ],
}  # fmt: skip
WORDS = {
    f"{SCRIPTED}/SegmentStatistics/SegmentStatistics.py": [
        "segmentationSelector", "scalarSelector",
    ],
    f"{SCRIPTED}/SegmentEditor/SegmentEditor.py": ["self.editor"],
    "Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget.h": [
        "setSegmentationNode", "setSourceVolumeNode",
    ],
    "Modules/Loadable/SubjectHierarchy/Widgets/qSlicerSubjectHierarchyScriptedPlugin.h": [
        "setPythonSource",
    ],
    "Modules/Loadable/SubjectHierarchy/Widgets/qSlicerSubjectHierarchyPluginHandler.h": [
        "currentItem", "registerPlugin", "instance",
    ],
    "Libs/MRML/Widgets/qMRMLLayoutManager.h": [
        "sliceViewNames", "sliceWidget", "threeDViewCount", "threeDWidget",
    ],
    "Libs/MRML/Widgets/qMRMLSliceWidget.h": ["sliceLogic"],
    "Libs/MRML/Widgets/qMRMLThreeDView.h": ["resetFocalPoint"],
    "Libs/MRML/Widgets/qMRMLThreeDWidget.h": ["threeDView"],
    f"{SCRIPTED}/DICOM/DICOM.py": ["slicer.dicomDatabase", "dicomDatabase.isOpen"],
    f"{SCRIPTED}/DICOMPlugins/DICOMSegmentationPlugin.py": ["slicer.dicomDatabase.fileForInstance"],
    f"{SCRIPTED}/DICOMPlugins/DICOMScalarVolumePlugin.py": ["DICOM.instanceUIDs"],
    "Base/QTCore/qSlicerCoreApplication.h": [
        "temporaryPath", "slicerUserSettingsFilePath", "applicationLogic", "startupEnvironment",
    ],
    "Base/QTCore/qSlicerBaseQTCorePythonQtDecorators.h": [
        "static_qSlicerCoreApplication_testingEnabled",
    ],
    "Base/QTGUI/qSlicerApplication.h": ["layoutManager"],
}  # fmt: skip
"""Names of C++ and of attributes: that they are there is all that is recorded."""


def record(source: Path, version: str) -> dict:
    """Return the list."""
    functions = {
        f"{file}:{name}": parameters_of(source / file, name)
        for file, names in PYTHON.items()
        for name in names
    }
    words = {
        file: [name for name in names if has(source / file, name)] for file, names in WORDS.items()
    }
    return {"version": version, "functions": functions, "words": words}


def parameters_of(path: Path, name: str) -> list[str]:
    """Return the parameters of a function or method; * and ** stand before those that take more."""
    body = ast.parse(path.read_text("utf-8")).body
    for part in name.split("."):
        found = next(node for node in body if getattr(node, "name", None) == part)
        body = getattr(found, "body", [])
    arguments = found.args
    plain = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    more = [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    more += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return plain + more


def has(path: Path, name: str) -> bool:
    """Return whether a file names it."""
    return bool(re.search(rf"(?<!\w){re.escape(name)}\b", path.read_text("utf-8")))


if __name__ == "__main__":
    LIST.write_text(json.dumps(record(Path(sys.argv[1]), sys.argv[2]), indent=1) + "\n", "utf-8")
