"""The section *Lesion or correction*: a box, a line and clicks become a segment at once."""

from collections.abc import Callable

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from FlareSegUI import PromptNodes
from FlareSegUI.PromptClient import Answer, PromptClient
from FlareSegUI.Runner import Runner

DELAY_MILLISECONDS = 30
"""Markups tell many changes of one drag; they are asked about together."""
NAME = "lesion"


class PromptSection(VTKObservationMixin):
    """Buttons, the markups of the thing at hand, and its segment."""

    def __init__(
        self,
        layout: "qt.QLayout",
        runner: Runner,
        volumeOf: Callable[[], vtkMRMLScalarVolumeNode | None],
    ) -> None:
        """Build the section.

        Args:
            layout: Takes it.
            runner: Runs its process.
            volumeOf: Returns the CT that is chosen in the panel.
        """
        VTKObservationMixin.__init__(self)
        self._volumeOf = volumeOf
        self.client = PromptClient(runner, self.onAnswer, self.onEnd)
        self._volume: vtkMRMLScalarVolumeNode | None = None
        self._nodes: dict[str, object] = {}
        self._segment: tuple[object, str] | None = None
        self._order: list[tuple[str, int]] = []
        self._build(layout)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MILLISECONDS)
        self._timer.connect("timeout()", self.ask)
        self._showIdle()

    def _build(self, layout: "qt.QLayout") -> None:
        self.box = qt.QGroupBox(_("Lesion: a box, a line or clicks"))
        rows = qt.QVBoxLayout(self.box)
        self.buttons: dict[str, object] = {}
        for names in (
            (("box", _("Box")), ("line", _("Line")), ("inside", "+"), ("outside", "\u2212")),
            (("undo", _("Undo click")), ("cancel", _("Discard")), ("done", _("Done"))),
        ):
            row = qt.QHBoxLayout()
            rows.addLayout(row)
            for key, text in names:
                button = self.buttons[key] = qt.QPushButton(text)
                row.addWidget(button)
        self.buttons["box"].toolTip = _("Draw a box around a thing; a flat one has its depth found")
        self.buttons["line"].toolTip = _("Draw the longest diameter of a thing")
        self.buttons["inside"].toolTip = _("Click where the thing is")
        self.buttons["outside"].toolTip = _("Click where the thing is not")
        for kind in PromptNodes.CLASSES:
            self.buttons[kind].connect("clicked(bool)", lambda _=False, kind=kind: self.place(kind))
        self.buttons["undo"].connect("clicked(bool)", self.onUndo)
        self.buttons["cancel"].connect("clicked(bool)", self.onDiscard)
        self.buttons["done"].connect("clicked(bool)", self.onDone)
        self.status = qt.QLabel("")
        self.status.wordWrap = True
        rows.addWidget(self.status)
        layout.addWidget(self.box)

    def place(self, kind: str) -> None:
        """Begin to place a box, a line or clicks; a new box or line takes the place of the old."""
        volume = self._volumeOf()
        if volume is None:
            self.status.text = _("Choose a CT volume first")
            return
        if volume is not self._volume or not self.client.isRunning:
            with slicer.util.tryWithErrorDisplay(_("FlareSeg cannot start.")):
                self._open(volume)
        if kind in ("box", "line"):
            for old in ("box", "line"):
                self._forget(old)
        if kind not in self._nodes:
            self._nodes[kind] = node = PromptNodes.newMarkups(kind, f"{NAME} {kind}")
            for event in _events():
                self.addObserver(node, event, self.onMarkups)
        self._startPlacing(self._nodes[kind])
        self._showBusy()

    def _open(self, volume: vtkMRMLScalarVolumeNode) -> None:
        self.close()
        self._volume = volume
        self.client.start(volume)
        self.status.text = _("Place it in a slice view")

    def _startPlacing(self, node: object) -> None:
        logic = slicer.app.applicationLogic()
        selection, interaction = logic.GetSelectionNode(), logic.GetInteractionNode()
        if selection is None or interaction is None:
            return
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetReferenceActivePlaceNodeID(node.GetID())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)

    def onMarkups(self, _caller: object = None, _event: object = None) -> None:
        """A point was placed, moved or removed: ask soon."""
        self._timer.start()

    def ask(self) -> None:
        """Ask for the thing as its markups are now."""
        prompts = self.prompts()
        if prompts and self.client.isRunning:
            self.client.ask(prompts)
            self._showBusy()
            self.status.text = _("Looking…")

    def prompts(self) -> list:
        """Return box or line first, then clicks in the order in which they were placed."""
        found = []
        for kind in ("box", "line"):
            if kind in self._nodes:
                found += PromptNodes.promptsOf(self._nodes[kind], self._volume)
        clicks = {
            kind: PromptNodes.promptsOf(self._nodes[kind], self._volume)
            for kind in ("inside", "outside")
            if kind in self._nodes
        }
        self._follow(clicks)
        if not found and not clicks.get("inside"):
            return []
        ordered = [clicks[kind][i] for kind, i in self._order]
        if not found:  # the first click must say where the thing is
            ordered.sort(key=lambda click: not click.inside)
        return found + ordered

    def _follow(self, clicks: dict[str, list]) -> None:
        """Keep the order of clicks; new ones come last."""
        self._order = [(k, i) for k, i in self._order if i < len(clicks.get(k, ()))]
        for kind, points in clicks.items():
            known = sum(1 for k, _i in self._order if k == kind)
            self._order += [(kind, i) for i in range(known, len(points))]

    def onAnswer(self, answer: Answer) -> None:
        """Show the thing, or say why there is none."""
        if "error" in answer:
            self.status.text = answer["error"]
            return
        if slicer.mrmlScene.GetNodeByID(self._volume.GetID()) is None:
            return
        segmentation, key = self._target()
        PromptNodes.writeMask(segmentation, key, self._volume, answer["start"], answer["mask"])
        size = _("{ml:.2f} ml, {long:.1f} x {across:.1f} mm").format(
            ml=answer["ml"], long=answer["longest_mm"], across=answer["across_mm"]
        )
        self.status.text = ". ".join(filter(None, [size, answer["notes"]]))

    def _target(self) -> tuple[object, str]:
        """Return segmentation and segment of the thing at hand; made for its first answer."""
        if self._segment is not None:
            segmentation, key = self._segment
            isThere = slicer.mrmlScene.GetNodeByID(segmentation.GetID()) is not None
            if isThere and segmentation.GetSegmentation().GetSegment(key) is not None:
                return self._segment
        segmentation = PromptNodes.segmentationFor(self._volume)
        self._segment = (segmentation, PromptNodes.newSegment(segmentation, NAME))
        return self._segment

    def onUndo(self, _checked: bool = False) -> None:
        """Take the last click back."""
        if not self._order:
            return
        kind, index = self._order[-1]
        self._nodes[kind].RemoveNthControlPoint(index)
        self.ask()

    def onDone(self, _checked: bool = False) -> None:
        """Keep the segment; the next prompt begins another one."""
        self._segment = None
        self._clear()

    def onDiscard(self, _checked: bool = False) -> None:
        """Remove the segment that is at hand, and its markups."""
        if self._segment is not None:
            segmentation, key = self._segment
            segmentation.GetSegmentation().RemoveSegment(key)
        self._segment = None
        self._clear()

    def onEnd(self, reason: str) -> None:
        """The process has ended."""
        if reason:
            self.status.text = reason
        self._showIdle()

    def close(self) -> None:
        """End the process and take the markups away: scene or panel go."""
        self._timer.stop()
        if self.client.isRunning:
            self.client.stop(wait=True)
        self._segment = self._volume = None
        self._clear()

    def _clear(self) -> None:
        self.client.forget()
        for kind in list(self._nodes):
            self._forget(kind)
        self._order = []
        self._showIdle()

    def _forget(self, kind: str) -> None:
        node = self._nodes.pop(kind, None)
        if node is None:
            return
        for event in _events():
            self.removeObserver(node, event, self.onMarkups)
        slicer.mrmlScene.RemoveNode(node)

    def _showBusy(self) -> None:
        for key in ("undo", "cancel", "done"):
            self.buttons[key].enabled = True

    def _showIdle(self) -> None:
        for key in ("undo", "cancel", "done"):
            self.buttons[key].enabled = False


def _events() -> tuple[int, ...]:
    """Return what a node of markups tells when it asks for something else than before."""
    kind = slicer.vtkMRMLMarkupsNode
    return kind.PointPositionDefinedEvent, kind.PointEndInteractionEvent, kind.PointRemovedEvent
