"""Convolutions of maps that are joined first, as sums of convolutions: the same, in less memory.

A decoder of nnU-Net joins what comes from below with the features of its encoder (Concat), a copy
of the largest maps that it has, and convolves both. A convolution is linear: each convolved by its
part of the kernel, and both added, needs no copy.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray


def unjoin(graph: Any) -> int:
    """Change a graph (onnx.GraphProto) whose kernels are initializers; return how many were joined.

    Only those are found whose first map comes from a transposed convolution.
    """
    from onnx import numpy_helper

    kernels = {one.name: one for one in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    makers = {name: node for node in graph.node for name in node.output}
    joins = {
        node.input[0]: makers[node.input[0]]
        for node in graph.node
        if _is_joined(node, makers, kernels, uses)
    }
    nodes = []
    for node in graph.node:
        if node.op_type == "Conv" and node.input[0] in joins:
            join, kernel = joins[node.input[0]], kernels[node.input[1]]
            width = kernels[makers[join.input[0]].input[1]].dims[1]
            nodes += _parts(node, join, numpy_helper.to_array(kernel), width, graph)
            graph.initializer.remove(kernel)
        elif node.output[0] not in joins:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return len(joins)


def _is_joined(
    node: Any, makers: dict[str, Any], kernels: dict[str, Any], uses: Counter[str]
) -> bool:
    """Return whether a node alone convolves two maps that are joined for it."""
    join = makers.get(node.input[0]) if node.op_type == "Conv" else None
    if join is None or join.op_type != "Concat" or len(join.input) != 2:
        return False
    first = makers.get(join.input[0])
    return (
        first is not None
        and first.op_type == "ConvTranspose"
        and first.input[1] in kernels
        and node.input[1] in kernels
        and uses[join.output[0]] == uses[node.input[1]] == 1
        and _number(join, "axis") == 1
        and _number(node, "group") == _number(first, "group") == 1
    )


def _number(node: Any, name: str) -> int:
    return next((int(one.i) for one in node.attribute if one.name == name), 1)


def _parts(node: Any, join: Any, kernel: NDArray[np.float32], width: int, graph: Any) -> list[Any]:
    """Return two convolutions and their sum; the kernels are put into the graph.

    Args:
        node: Convolves both maps.
        join: Joins them.
        kernel: Of the convolution, (channels out, channels in, ...).
        width: Channels of the first map.
        graph: Takes the kernels.
    """
    from onnx import helper, numpy_helper

    nodes, sums = [], []
    parts = (kernel[:, :width], kernel[:, width:])
    for number, (source, part) in enumerate(zip(join.input, parts, strict=True)):
        kernel_name, output = f"{node.input[1]}_{number}", f"{node.output[0]}_{number}"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(part), kernel_name))
        bias = list(node.input[2:]) if number else []
        made = helper.make_node("Conv", [source, kernel_name, *bias], [output], name=output)
        made.attribute.extend(node.attribute)
        nodes.append(made)
        sums.append(output)
    return [*nodes, helper.make_node("Add", sums, list(node.output), name=f"{node.name}_sum")]
