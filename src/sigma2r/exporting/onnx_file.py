"""ONNX: written by torch's exporter, run by onnxruntime."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from sigma2r._extras import or_which_extra
from sigma2r.exporting.about import KEY
from sigma2r.exporting.graph import BATCH, IMAGES, reason

_MOST_BYTES = 2**31 - 2**20  # of one file, which protobuf limits; a part of them is for the graph


def refuse_absent() -> None:
    """Refuse before anything is computed.

    Raises:
        ImportError: In one sentence, if onnx, onnxscript or onnxruntime is missing.
    """
    with or_which_extra("export to ONNX"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


def written(program: ExportedProgram, text: str, called: str) -> bytes:
    """The file's content: one file with its weights, of no path on this machine.

    Args:
        program: The graph.
        text: What the file says of itself.
        called: What errors call the network.

    Raises:
        ValueError: In one sentence, if ONNX lacks an operation, or the weights are more than a file holds.
    """
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > _MOST_BYTES:
        raise ValueError(
            f"export: weights in one ONNX file must be below 2 GiB; {called} has {size / 2**30:.1f}. --format "
            "torch-export takes them."
        )
    outputs = list(program.call_spec.out_spec.context)  # the keys of a dictionary
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the exporter itself will change
            made: Any = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=[IMAGES],
                output_names=outputs,
            )
    except Exception as error:  # whatever the exporter raises
        raise ValueError(
            f"export: each operation of the network must be one that ONNX has; of {called} one is not: "
            f"{reason(error)}. --format torch-export may take it."
        ) from error
    _strip(made.model.graph)
    made.model.metadata_props[KEY] = text
    made.model.producer_name = KEY
    content: bytes = made.model_proto.SerializeToString(deterministic=True)
    return content


def _strip(graph: Any) -> None:
    """Take out what tells of this machine and of torch, and give the first axis its name."""
    graph.metadata_props.clear()
    symbol = graph.inputs[0].shape[0]
    values = [*graph.inputs]
    for node in graph.all_nodes():
        node.metadata_props.clear()  # paths and lines of code
        node.doc_string = None
        values += node.outputs
    for value in values:
        value.metadata_props.clear()
        for axis, size in enumerate(value.shape or ()):
            if size == symbol:
                value.shape[axis] = BATCH


def runs(path: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """What the file computes of images, by onnxruntime on the CPU.

    Args:
        path: Of a file.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: Tensor) -> dict[str, Tensor]:
        values = session.run(None, {IMAGES: images.numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}

    return run


def told(path: Path) -> object:
    """What a file says of itself; None of what is no such file."""
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # whatever protobuf says of a file that is something else
        return None
    return next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
