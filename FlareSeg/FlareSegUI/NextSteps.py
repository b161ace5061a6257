"""What people do next with a result: edit, statistics, export. Slicer's own modules do it."""

from pathlib import Path

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Export


class NextSteps:
    """Binds the buttons below the table."""

    def __init__(self, ui: object) -> None:
        self._ui = ui
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
        names = [_("Choose"), *Export.FORMATS]  # the first one is what Cancel gives
        chosen = qt.QInputDialog.getItem(
            slicer.util.mainWindow(), "FlareSeg", _("Format of the files:"), names, 0, False
        )
        if chosen not in Export.FORMATS:
            return
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Export to"))
        if folder:
            with slicer.util.tryWithErrorDisplay(_("The organs cannot be exported.")):
                Export.export(
                    self._segmentation, self._volume, Export.FORMATS[chosen], Path(folder)
                )
