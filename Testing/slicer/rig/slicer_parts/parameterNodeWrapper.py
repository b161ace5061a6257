"""A typed view of a parameter node, bound to widgets: the part of Slicer's that the panel uses.

Stands for Base/Python/slicer/parameterNodeWrapper of Slicer 5.12, which takes its place where
FLARESEG_SLICER_SOURCE names a copy of Slicer's source.
"""

import typing

import slicer
import vtk

from Testing.slicer.rig import qt


class Choice:
    def __init__(self, choices):
        self.choices = choices

    def check(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class WithinRange:
    def __init__(self, least, most):
        self.least, self.most = least, most

    def check(self, value):
        if not self.least <= value <= self.most:
            raise ValueError(f"{value} is not in [{self.least}, {self.most}]")


class _Parameter:
    """One member: a node reference, or text in the node."""

    def __init__(self, name, hint, default):
        self.name, self.default = name, default
        self.kind, *self.validators = (
            typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        )
        self.isNode = issubclass(self.kind, slicer.vtkMRMLNode)

    def __get__(self, owner, _kind=None):
        node = owner.parameterNode
        if self.isNode:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if not node.GetParameter(f"{self.name}.isSet"):
            return self.default
        return text == "True" if self.kind is bool else self.kind(text)

    def __set__(self, owner, value):
        node = owner.parameterNode
        if self.isNode:
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        for validator in self.validators:
            validator.check(value)
        before = node.StartModify()
        node.SetParameter(f"{self.name}.isSet", "1")
        node.SetParameter(self.name, str(value))
        node.EndModify(before)


def parameterNodeWrapper(kind):
    hints = typing.get_type_hints(kind, include_extras=True)
    for name, hint in hints.items():
        setattr(kind, name, _Parameter(name, hint, getattr(kind, name, None)))
    kind.__init__ = _init
    kind.connectGui, kind.disconnectGui = _connectGui, _disconnectGui
    return kind


def _init(self, parameterNode):
    self.parameterNode = parameterNode
    self._bound, self._isWriting = {}, False


def _connectGui(self, ui):
    widgets = {w.property("SlicerParameterName"): w for w in vars(ui).values()}
    bound = [_bind(self, name, widget) for name, widget in widgets.items() if name]

    def write(*_):
        if not self._isWriting:
            self._isWriting = True
            for toWidget, _undo in bound:
                toWidget()
            self._isWriting = False

    tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, write)
    write()
    self._bound[tag] = bound
    return tag


def _disconnectGui(self, tag):
    self.parameterNode.RemoveObserver(tag)
    for _, undo in self._bound.pop(tag, []):
        undo()


def _bind(self, name, widget):
    signal, read, write = _access(widget)

    def toNode(*_):
        if not self._isWriting:
            setattr(self, name, read())

    signal.connect(toNode)
    return (lambda: write(getattr(self, name))), (lambda: signal.disconnect(toNode))


def _access(widget):
    """Return the signal of a widget, and how its value is read and written."""
    if hasattr(widget, "currentNode"):
        return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
    if isinstance(widget, qt.QComboBox):
        return widget.currentTextChanged, lambda: widget.currentText, widget.setCurrentText
    if isinstance(widget, qt.QCheckBox):
        return widget.toggled, lambda: widget.checked, widget.setChecked
    if isinstance(widget, qt.QSpinBox):
        return widget.valueChanged, lambda: widget.value, widget.setValue
    raise TypeError(f"the rig cannot bind a {type(widget).__name__}")
