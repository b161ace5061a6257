"""What people do next with a result: edit, statistics, export. Slicer's own modules do it."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Dicom, Export


class NextSteps:
    """Binds the buttons below the table."""

    def __init__(self, ui: object, onExport: Callable[[Path], None]) -> None:
        """Take the widgets, and what writes a file in the worker."""
        self._ui, self._onExport = ui, onExport
        self._segmentation: vtkMRMLSegmentationNode | None = None
        self._volume: vtkMRMLScalarVolumeNode | None = None
        ui.editButton.connect("clicked(bool)", self.onEditButton)
        ui.statisticsButton.connect("clicked(bool)", self.onStatisticsButton)
        ui.exportButton.connect("clicked(bool)", self.onExportButton)

    def show(
        self,
        segmentation: vtkMRMLSegmentationNode | None,
        volume: vtkMRMLScalarVolumeNode | None,
    ) -> None:
        """Take the result, and the CT that it was made from."""
        self._segmentation, self._volume = segmentation, volume
        isThere = segmentation is not None and segmentation.GetSegmentation() is not None
        hasSegments = isThere and segmentation.GetSegmentation().GetNumberOfSegments() > 0
        for button in (self._ui.editButton, self._ui.statisticsButton, self._ui.exportButton):
            button.enabled = hasSegments

    def onEditButton(self, _checked: bool = False) -> None:
        """Open Segment Editor on this segmentation and CT."""
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(self._segmentation)
        editor.setSourceVolumeNode(self._volume)

    def onStatisticsButton(self, _checked: bool = False) -> None:
        """Open Segment Statistics, filled in."""
        slicer.util.selectModule("SegmentStatistics")
        panel = slicer.modules.segmentstatistics.widgetRepresentation().self()
        panel.segmentationSelector.setCurrentNode(self._segmentation)
        panel.scalarSelector.setCurrentNode(self._volume)

    def onExportButton(self, _checked: bool = False) -> None:
        """Write the organs to files, in the format and folder that the user chooses."""
        reason = Dicom.whyNot(self._segmentation, self._volume)
        chosen = self._askFormat(reason)
        if chosen not in Export.FORMATS | Dicom.FORMATS:
            return
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Export to"))
        if folder:
            with slicer.util.tryWithErrorDisplay(_("The organs cannot be exported.")):
                self._export(chosen, Path(folder))

    def _askFormat(self, reason: str | None) -> str:
        """Return the format that the user chooses; those of DICOM only if there is no reason."""
        names = [*Export.FORMATS, *([] if reason else Dicom.FORMATS)]
        question = _("Format of the files:")
        if reason:
            question += "\n" + _("(Not as DICOM: {reason})").format(reason=reason)
        return qt.QInputDialog.getItem(  # the first one is what Cancel gives
            slicer.util.mainWindow(), "FlareSeg", question, [_("Choose"), *names], 0, False
        )

    def _export(self, chosen: str, folder: Path) -> None:
        form = Export.FORMATS.get(chosen, "")
        ending = Dicom.FORMATS.get(chosen, f".{form}")
        if chosen in Dicom.FORMATS or Export.byWorker(self._segmentation, self._volume, form):
            self._onExport(folder / Export.fileName(self._segmentation, ending))
            return
        Export.export(self._segmentation, self._volume, form, folder)
