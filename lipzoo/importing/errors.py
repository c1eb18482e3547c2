"""What an ONNX file is refused with."""


class UnsupportedNodeError(ValueError):
    """A node of an ONNX file that is not read; the message names it.

    Args:
        node: the node.
        reason: what was expected of it, and what was received.
    """

    def __init__(self, node, reason: str):
        self.node = node
        super().__init__(f"node {node.name!r} ({node.op}): {reason}")
