"""PySide6 in the manner of PythonQt: properties are attributes, connect() takes a signature."""

import functools
import re
import typing

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import *
from PySide6.QtGui import *
from PySide6.QtWidgets import *

Signal, Property, Slot = QtCore.Signal, QtCore.Property, QtCore.Slot
ANSWERS = {
    "getSaveFileName": "",
    "getOpenFileName": "",
    "getExistingDirectory": "",
    "getItem": "",
}
"""What the user of the rig types into file dialogs."""


class _Attribute:
    """A Qt property as a Python attribute."""

    def __init__(self, name):
        self.name = name

    def __get__(self, owner, _kind=None):
        return self if owner is None else QtCore.QObject.property(owner, self.name)

    def __set__(self, owner, value):
        if isinstance(QtCore.QObject.property(owner, self.name), bool):
            value = bool(value)
        if not QtCore.QObject.setProperty(owner, self.name, value):
            raise AttributeError(f"{type(owner).__name__}.{self.name} cannot be {value!r}")


def _signal(owner, signature):
    name = signature.split("(")[0]
    for kind in type(owner).__mro__:
        if isinstance(vars(kind).get(name), QtCore.Signal):
            return vars(kind)[name].__get__(owner, kind)
    raise AttributeError(f"{type(owner).__name__} has no signal {signature}")


def _connect(owner, *words):
    if not isinstance(words[0], str):  # Qt's own: QTimer.singleShot calls it so
        return QtCore.QObject.connect(*words)
    signature, slot = words
    return _signal(owner, signature).connect(slot)


def _disconnect(owner, signature, slot):
    _signal(owner, signature).disconnect(slot)


def equip(owner):
    """Give an object PythonQt's connect and disconnect: PySide looks them up on instances first."""
    vars(owner)["connect"] = functools.partial(_connect, owner)
    vars(owner)["disconnect"] = functools.partial(_disconnect, owner)
    return owner


def _wrapped(init):
    @functools.wraps(init)
    def wrapped(self, *words, **more):
        init(self, *words, **more)
        equip(self)

    return wrapped


def adopt(kind):
    """Make a QObject class behave as under PythonQt."""
    meta = kind.staticMetaObject
    for i in range(meta.propertyOffset(), meta.propertyCount()):
        if not isinstance(vars(kind).get(meta.property(i).name()), QtCore.Property):
            setattr(kind, meta.property(i).name(), _Attribute(meta.property(i).name()))
    kind.name = _Attribute("objectName")
    kind.className = lambda self: self.metaObject().className()
    if "__init__" in vars(kind):
        kind.__init__ = _wrapped(kind.__init__)
    return kind


_singleShot = QtCore.QTimer.singleShot  # also the name of a property, which PythonQt hides
for _module in (QtCore, QtGui, QtWidgets):
    for _kind in list(vars(_module).values()):
        if isinstance(_kind, type) and issubclass(_kind, QtCore.QObject):
            adopt(_kind)
QtCore.QTimer.singleShot = staticmethod(_singleShot)


class QFileDialog(QtWidgets.QFileDialog):
    """Answers what the test has put into ANSWERS; PythonQt gives the path alone."""

    @staticmethod
    def getSaveFileName(*_):
        return ANSWERS["getSaveFileName"]

    @staticmethod
    def getOpenFileName(*_):
        return ANSWERS["getOpenFileName"]

    @staticmethod
    def getExistingDirectory(*_):
        return ANSWERS["getExistingDirectory"]


class QInputDialog(QtWidgets.QInputDialog):
    """Answers what the test has put into ANSWERS."""

    asked: typing.ClassVar[list] = []
    """Question and choices of the last time."""

    @staticmethod
    def getItem(_parent, _title, question, choices, *_):
        QInputDialog.asked[:] = [question, list(choices)]
        return ANSWERS["getItem"]


class QUiLoader:
    """Loads a .ui file with the classes of ctk and qMRML, and their connections."""

    def load(self, file):
        from Testing.slicer.rig import ctk, qmrml

        loader = QtUiTools.QUiLoader()
        for kind in (*ctk.WIDGETS, *qmrml.WIDGETS):
            loader.registerCustomWidget(kind)
        text = bytes(file.readAll())
        buffer = QtCore.QBuffer()
        buffer.setData(re.sub(rb"<connections>.*</connections>", b"", text, flags=re.DOTALL))
        buffer.open(QtCore.QIODevice.ReadOnly)
        root = loader.load(buffer)
        for child in root.findChildren(QtCore.QObject):
            equip(child)
        qmrml.replay(root, text)
        return root
