"""A result in the panel and the views: table, next steps, colors, 3-D, doubt."""

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Colors, Lesions, Models, Nodes, Views
from FlareSegUI.Doubt import DoubtLayer, nodeOf
from FlareSegUI.NextSteps import NextSteps
from FlareSegUI.Parameter import FlareSegParameterNode
from FlareSegUI.ResultTable import ResultSection


class ResultView:
    """Shows the segmentation that is chosen in the panel."""

    def __init__(
        self,
        ui: object,
        parametersOf: Callable[[], FlareSegParameterNode | None],
        onExport: Callable[[Path], None],
    ) -> None:
        """Take the widgets, what returns the state of the panel, and what exports to a file."""
        self._ui, self._parametersOf = ui, parametersOf
        self.table = ResultSection(ui)
        self._nextSteps = NextSteps(ui, onExport)
        self._doubt = DoubtLayer()
        ui.show3DCheckBox.connect("toggled(bool)", self.onShow3D)
        ui.colorsComboBox.connect("currentTextChanged(QString)", self.onColors)

    @property
    def _segmentation(self) -> vtkMRMLSegmentationNode | None:
        parameters = self._parametersOf()
        return parameters.outputSegmentation if parameters is not None else None

    def show(self) -> None:
        """Show the segmentation that is chosen."""
        segmentation = self._segmentation
        self.showTable()
        self._nextSteps.show(segmentation, Nodes.sourceOf(segmentation))
        self.showDoubt()

    def showTable(self) -> None:
        """Show organs, and the lesions of the same CT."""
        if self._parametersOf() is None:
            return
        volume = Nodes.sourceOf(self._segmentation) or self._parametersOf().inputVolume
        name = volume.GetName() if volume is not None else ""
        self.table.show(Nodes.reportOf(self._segmentation), Lesions.rowsOf(volume), name)

    def showNew(self) -> None:
        """Show the result of a run that has just ended: its colors, in 3-D, in the middle.

        A segmentation that was chosen before is chosen still: no event tells that it has changed.
        """
        self.onColors(self._parametersOf().colors)
        self._show3D(self._segmentation, self._parametersOf().show3D)
        Views.centre(self._segmentation)
        self.show()

    def close(self) -> None:
        """Give the views back what they showed: scene or panel go."""
        self._doubt.hide()

    def onColors(self, scheme: str) -> None:
        """Paint the organs that are there in other colors."""
        if self._segmentation is not None:
            labels = Models.labelsOf(self._parametersOf().modelFolder)
            Colors.paint(self._segmentation, labels, scheme)

    def onShow3D(self, isShown: bool) -> None:
        """Show or hide the organs in 3-D."""
        if self._segmentation is not None:
            self._show3D(self._segmentation, isShown)

    def _show3D(self, segmentation: vtkMRMLSegmentationNode, isShown: bool) -> None:
        """Show the organs; surfaces that are missing are made one by one, and it is said."""
        before = self._ui.statusLabel.text

        def tell(name: str) -> None:
            self._ui.statusLabel.text = _("Making surfaces: {name}").format(name=name)
            slicer.app.processEvents()

        Nodes.show3D(segmentation, isShown, tell)
        self._ui.statusLabel.text = before

    # The doubt of the network

    def followModel(self) -> None:
        """Offer the switch of doubt: a model with a recipe of its own does not tell it."""
        parameters = self._parametersOf()
        canTell = Models.tellsDoubt(parameters.modelFolder)
        if not canTell and parameters.showDoubt:
            parameters.showDoubt = False
        self._ui.doubtCheckBox.enabled = canTell
        self._ui.doubtCheckBox.toolTip = (
            _("Color where the network is unsure; tick it before Apply, which finds it.")
            if canTell
            else _("This model does not tell where it is unsure.")
        )

    def showDoubt(self) -> None:
        """Show or hide the doubt over the slices, as the switch says."""
        self._doubt.show(self._segmentation if self._parametersOf().showDoubt else None)

    def hint(self) -> str:
        """Return what to do for a doubt that is asked for and was not found yet."""
        found = self._segmentation
        isMissing = self._parametersOf().showDoubt and found is not None and nodeOf(found) is None
        return _("Press Apply again to find the doubt of this result") if isMissing else ""
