"""Colors and codes of the things that prompts find, as 3D Slicer has them; light, for its start."""

COLORS = ((230, 97, 67), (245, 190, 65), (88, 180, 190), (150, 115, 200), (120, 190, 90))
"""Red, green, blue; again from the first when they are used up."""
CATEGORY = "SCT^49755003^Morphologically Altered Structure"
LESION = "SCT^52988006^Lesion"
"""SNOMED CT concepts of every thing."""
_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"
TERMINOLOGY = f"{_CONTEXT}~{CATEGORY}~{LESION}~^^~{_REGION_CONTEXT}~^^~^^"
"""As 3D Slicer joins context, category, type, modifier and (no) region."""
