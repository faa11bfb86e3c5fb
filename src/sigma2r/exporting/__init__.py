"""A trained network as a file for other programs, checked against the run: ``export(trained, "clothes.onnx")``."""

from sigma2r.exporting.exporting import Exported, Format, export

__all__ = ["Exported", "Format", "export"]
