"""Scripted subject hierarchy plugins, as Slicer loads them.

Stands for qSlicerSubjectHierarchyScriptedPlugin.cxx and qSlicerSubjectHierarchyPluginHandler.cxx of
Slicer 5.12, and for SubjectHierarchyPlugins/AbstractScriptedSubjectHierarchyPlugin.py.
"""

import importlib.util
import sys
import types
from pathlib import Path

from Testing.slicer.rig import qt


class PluginHandler:
    """The one handler: knows the plugins, and the item that was clicked."""

    def __init__(self):
        self.plugins, self.item = {}, 0

    def registerPlugin(self, plugin):
        self.plugins[plugin.name] = plugin
        return True

    def currentItem(self):
        return self.item


_handler = PluginHandler()


class qSlicerSubjectHierarchyPluginHandler:
    @staticmethod
    def instance():
        return _handler


class qSlicerSubjectHierarchyScriptedPlugin(qt.QObject):
    """Makes one of the class that is named as its file."""

    def setPythonSource(self, filePath):
        name = Path(filePath).stem
        spec = importlib.util.spec_from_file_location(name, filePath)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.script = getattr(module, name)(self)
        return True


class AbstractScriptedSubjectHierarchyPlugin:
    def __init__(self, scriptedPlugin):
        self.scriptedPlugin = scriptedPlugin
        self.register()

    def register(self):
        _handler.registerPlugin(self.scriptedPlugin)


def install(slicer):
    """Put all of it where Slicer has it."""
    slicer.qSlicerSubjectHierarchyPluginHandler = qSlicerSubjectHierarchyPluginHandler
    slicer.qSlicerSubjectHierarchyScriptedPlugin = qt.adopt(qSlicerSubjectHierarchyScriptedPlugin)
    name = "AbstractScriptedSubjectHierarchyPlugin"
    module = types.ModuleType(name)
    module.AbstractScriptedSubjectHierarchyPlugin = AbstractScriptedSubjectHierarchyPlugin
    sys.modules[name] = module
    sys.modules["SubjectHierarchyPlugins"] = types.ModuleType("SubjectHierarchyPlugins")
