"""The section *Lesion or correction*: a box, a line and clicks become a segment at once."""

from collections.abc import Callable

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from FlareSegUI import Corrections, Lesions, PromptButtons, PromptNodes
from FlareSegUI.PromptClient import Answer, PromptClient
from FlareSegUI.PromptHistory import History, Step
from FlareSegUI.Runner import Runner

DELAY_MILLISECONDS = 30
"""Markups tell many changes of one drag; they are asked about together."""


class PromptSection(VTKObservationMixin):
    """Buttons, the markups of the thing at hand, and its segment."""

    def __init__(
        self,
        layout: "qt.QLayout",
        runner: Runner,
        volumeOf: Callable[[], vtkMRMLScalarVolumeNode | None],
        onChanged: Callable[[], None],
    ) -> None:
        """Build the section.

        Args:
            layout: Takes it.
            runner: Runs its process.
            volumeOf: Returns the CT that is chosen in the panel.
            onChanged: Is called when a lesion was found, has changed or is gone.
        """
        VTKObservationMixin.__init__(self)
        self._volumeOf, self._onChanged = volumeOf, onChanged
        self.client = PromptClient(runner, self.onAnswer, self.onEnd)
        self._volume: vtkMRMLScalarVolumeNode | None = None
        self._nodes: dict[str, object] = {}
        self._thing: Lesions.Lesion | Corrections.Organ | None = None
        self._order: list[tuple[str, int]] = []
        self._history = History()
        self._isRestoring = False
        self.buttons, self.status, self.menu = PromptButtons.build(layout, self)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MILLISECONDS)
        self._timer.connect("timeout()", self.ask)
        self._showButtons()

    def place(self, kind: str) -> None:
        """Begin to place a box, a line or clicks; a new box or line takes the place of the old."""
        volume = self._volumeOf()
        if volume is None:
            self.status.text = _("Choose a CT volume first")
            return
        self._ready(volume)
        if kind in ("box", "line") and isinstance(self._thing, Corrections.Organ):
            self.onDone()
        if self._thing is None:
            self._begin(Lesions.Lesion(volume))
        if kind in ("box", "line"):
            for old in ("box", "line"):
                self._forget(old)
        self._startPlacing(self._nodeOf(kind))
        self._showButtons()

    def fillMenu(self) -> None:
        """List what can be corrected."""
        Corrections.fillMenu(self.menu, self._volumeOf(), self.correct)

    def correct(self, segmentation: object, key: str) -> None:
        """Begin to correct a segment: clicks add to it, or take from it."""
        volume = self._volumeOf()
        self.onDone()
        try:
            thing = Corrections.Organ(volume, segmentation, key)
        except RuntimeError as error:
            self.status.text = str(error)
            return
        self._ready(volume)
        self._begin(thing)
        self.status.text = _(
            "{name}: place + where it is missing, \u2212 where there is too much"
        ).format(name=thing.name)
        self._showButtons()

    def _begin(self, thing: "Lesions.Lesion | Corrections.Organ") -> None:
        self._thing = thing
        if self.client.isRunning:
            self.client.begin(thing.labels)

    def _nodeOf(self, kind: str) -> object:
        """Return the node of markups of a kind; made if it is not there."""
        if kind not in self._nodes:
            name = f"{Lesions.NAME} {kind}"
            self._nodes[kind] = node = PromptNodes.newMarkups(kind, name)
            for event in _events():
                self.addObserver(node, event, self.onMarkups)
        return self._nodes[kind]

    def _ready(self, volume: vtkMRMLScalarVolumeNode) -> None:
        """Have a process that knows the volume."""
        if volume is self._volume and self.client.isRunning:
            return
        with slicer.util.tryWithErrorDisplay(_("FlareSeg cannot start.")):
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

    def _stopPlacing(self) -> None:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if interaction is not None:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)

    def onMarkups(self, _caller: object = None, _event: object = None) -> None:
        """A point was placed, moved or removed: ask soon."""
        if not self._isRestoring:
            self._timer.start()

    def ask(self) -> None:
        """Ask for the thing as its markups are now."""
        prompts = self.prompts()
        if not prompts or not self.client.isRunning or prompts == self._history.now.prompts:
            return
        nodes = {kind: PromptNodes.snapshotOf(node) for kind, node in self._nodes.items()}
        self._history.add(Step(prompts, nodes, list(self._order)))
        self._askFor(prompts)

    def _askFor(self, prompts: list) -> None:
        self.client.ask(prompts)
        self.status.text = _("Looking…")
        self._showButtons()

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
        isOrgan = isinstance(self._thing, Corrections.Organ)
        if not found and not clicks.get("inside") and not isOrgan:
            return []
        ordered = [clicks[kind][i] for kind, i in self._order]
        if not found and not isOrgan:  # the first click must say where the thing is
            ordered.sort(key=lambda click: not click.inside)
        return found + ordered

    def _follow(self, clicks: dict[str, list]) -> None:
        """Keep the order of clicks; new ones come last."""
        self._order = [(k, i) for k, i in self._order if i < len(clicks.get(k, ()))]
        for kind, points in clicks.items():
            known = sum(1 for k, _i in self._order if k == kind)
            self._order += [(kind, i) for i in range(known, len(points))]

    def onAnswer(self, answer: Answer) -> None:
        """Show the thing, or say why there is none; the segment stays as it was then."""
        if "error" in answer:
            answer = (self._history.lastAnswer or {}) | {"error": answer["error"]}
        self._history.now.answer = answer
        self._show(answer)

    def _show(self, answer: Answer) -> None:
        """Write an answer into the segment, or remove it where there is none; say what it is."""
        if slicer.mrmlScene.GetNodeByID(self._volume.GetID()) is None or self._thing is None:
            return
        said = ""
        if not self._thing.isThere:
            said = _("It is not in the scene any more: choose another one")
        elif "mask" in answer:
            self._thing.write(answer)
            size = _("{ml:.2f} ml, {size}").format(ml=answer["ml"], size=Lesions.sizeText(answer))
            said = ". ".join([size, *answer["flags"].values()])
        else:
            self._thing.clear()
        self.status.text = answer.get("error", said)
        self._onChanged()

    def onUndo(self, _checked: bool = False) -> None:
        """Take back what was placed or moved last, or begun: markups and voxels are as before."""
        self._goTo(self._history.now if self._isPlacing() else self._history.undo())

    def onRedo(self, _checked: bool = False) -> None:
        """Do again what was taken back."""
        self._goTo(self._history.redo())

    def _isPlacing(self) -> bool:
        """Return whether something was begun that was not asked about yet."""
        step = self._history.now
        return set(self._nodes) != set(step.nodes) or self.prompts() != step.prompts

    def _goTo(self, step: Step) -> None:
        self.client.forget()
        self._isRestoring = True
        try:
            for kind in set(self._nodes) - set(step.nodes):
                self._forget(kind)
            for kind, kept in step.nodes.items():
                self._nodeOf(kind).CopyContent(kept)
        finally:
            self._isRestoring = False
        self._timer.stop()
        self._stopPlacing()
        self._order = list(step.order)
        isOpen = step.prompts and step.answer is None  # overtaken: nobody knows its voxels yet
        if isOpen and self.client.isRunning:
            self._askFor(step.prompts)
        else:
            self._show(step.answer or {})
        self._showButtons()

    def onDone(self, _checked: bool = False) -> None:
        """Keep the segment; the next prompt begins another one."""
        self._leave()

    def onDiscard(self, _checked: bool = False) -> None:
        """Remove the lesion at hand, or give the organ its voxels back; markups go."""
        if self._thing is not None:
            self._thing.clear()
        self._leave()
        self._onChanged()

    def _leave(self) -> None:
        thing, self._thing = self._thing, None
        self._clear()
        if thing is not None:
            thing.finish(self._tellSurface)

    def _tellSurface(self, name: str) -> None:
        self.status.text = _("Making the surface of {name}…").format(name=name)
        slicer.app.processEvents()

    def onEnd(self, reason: str) -> None:
        """The process has ended."""
        if reason:
            self.status.text = reason
        self._showButtons()

    def close(self) -> None:
        """End the process and take the markups away: scene or panel go."""
        self._timer.stop()
        if self.client.isRunning:
            self.client.stop(wait=True)
        self._thing = self._volume = None
        self._clear()

    def _clear(self) -> None:
        self.client.forget()
        for kind in list(self._nodes):
            self._forget(kind)
        self._timer.stop()
        self._stopPlacing()
        self._order, self._history = [], History()
        self._showButtons()

    def _forget(self, kind: str) -> None:
        node = self._nodes.pop(kind, None)
        if node is None:
            return
        for event in _events():
            self.removeObserver(node, event, self.onMarkups)
        slicer.mrmlScene.RemoveNode(node)

    def _showButtons(self) -> None:
        """Enable what can be done with the lesion at hand."""
        self.buttons["undo"].enabled = self._history.canUndo or self._isPlacing()
        self.buttons["redo"].enabled = self._history.canRedo
        isBegun = bool(self._nodes) or isinstance(self._thing, Corrections.Organ)
        for key in ("cancel", "done"):
            self.buttons[key].enabled = isBegun


def _events() -> tuple[int, ...]:
    """Return what a node of markups tells when it asks for something else than before."""
    kind = slicer.vtkMRMLMarkupsNode
    return kind.PointPositionDefinedEvent, kind.PointEndInteractionEvent, kind.PointRemovedEvent
