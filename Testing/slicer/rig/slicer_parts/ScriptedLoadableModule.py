"""The base classes of a scripted module.

Stands for Base/Python/slicer/ScriptedLoadableModule.py of Slicer 5.12; held to signatures.json.
"""

from pathlib import Path

import slicer

from Testing.slicer.rig import qt


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent or qt.QWidget()
        if self.parent.layout() is None:
            self.parent.setLayout(qt.QVBoxLayout())
        self.layout = self.parent.layout()
        if parent is None:  # as Slicer's own
            self.setup()

    def setup(self):
        pass

    def cleanup(self):
        pass

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)

    def resourcePath(self, filename):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetModuleName(self.moduleName)
            node.SetSingletonTag(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest:
    def delayDisplay(self, message, *_):
        pass
