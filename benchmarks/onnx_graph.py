"""A Vision Transformer as the ONNX graph that suits ONNX Runtime best: Gemm, MultiHeadAttention and Gelu nodes, static shapes.

With `int8` the products of the blocks and the patch embedding are DynamicQuantizeMatMul: weights signed, a scale for each output;
activations unsigned, a scale and zero point for each tensor, found while it runs.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

import vit

FUSED = "com.microsoft"


class Graph:
    """Nodes and constants as they come; every method returns the name of its value."""

    def __init__(self, tensors, int8):
        self.tensors, self.int8 = tensors, int8
        self.nodes, self.constants = [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def node(self, kind, inputs, domain="", results=1, **attributes):
        outputs = [f"{kind}.{len(self.nodes)}.{i}" for i in range(results)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
        return outputs[0] if results == 1 else outputs

    def reshape(self, x, *shape):
        return self.node("Reshape", [x, self.constant("shape" + "x".join(map(str, shape)), np.array(shape, np.int64))])

    def parameter(self, name):
        return self.constant(name, self.tensors[name])

    def linear(self, x, name, quantize=True):
        weight = self.tensors[name + ".weight"]
        weight = weight.reshape(len(weight), -1)
        if not (self.int8 and quantize):
            return self.node("Gemm", [x, self.constant(name + ".weight", weight), self.parameter(name + ".bias")], transB=1)
        scale = (np.abs(weight).max(1) / 127).astype(np.float32)
        words = self.constant(name + ".int8", np.rint(weight / scale[:, None]).astype(np.int8).T)
        scales, bias = self.constant(name + ".scale", scale), self.parameter(name + ".bias")
        return self.node("DynamicQuantizeMatMul", [x, words, scales, "", bias], FUSED)

    def norm(self, x, name):
        return self.node("LayerNormalization", [x, self.parameter(name + ".weight"), self.parameter(name + ".bias")], epsilon=1e-6)


def build(files, int8=False):
    config, batch, g = files.config, files.batch, Graph(files.tensors(), int8)
    size, p, d, heads = (config[k] for k in ("image_size", "patch_size", "embed_dim", "num_heads"))
    grid, tokens = size // p, vit.tokens(config)
    x = g.node("Transpose", [g.reshape("images", batch, 3, grid, p, grid, p)], perm=[0, 2, 4, 1, 3, 5])
    x = g.linear(g.reshape(x, batch * grid * grid, 3 * p * p), "patch_embed.proj")
    token = g.constant("cls_token", np.broadcast_to(g.tensors["cls_token"], (batch, 1, d)))
    x = g.node("Concat", [token, g.reshape(x, batch, grid * grid, d)], axis=1)
    x = g.reshape(g.node("Add", [x, g.parameter("pos_embed")]), batch * tokens, d)
    for i in range(config["depth"]):
        block = f"blocks.{i}."
        qkv = g.reshape(g.linear(g.norm(x, block + "norm1"), block + "attn.qkv"), batch, tokens, 3 * d)
        parts = g.node("Split", [qkv, g.constant("thirds", np.array([d] * 3, np.int64))], results=3, axis=2)
        y = g.reshape(g.node("MultiHeadAttention", parts, FUSED, num_heads=heads), batch * tokens, d)
        x = g.node("Add", [x, g.linear(y, block + "attn.proj")])
        y = g.node("Gelu", [g.linear(g.norm(x, block + "norm2"), block + "mlp.fc1")], FUSED)
        x = g.node("Add", [x, g.linear(y, block + "mlp.fc2")])
    x = g.node("Gather", [g.reshape(x, batch, tokens, d), g.constant("first", np.array(0, np.int64))], axis=1)
    logits = g.linear(g.norm(x, "norm"), "head", quantize=False)
    graph = helper.make_graph(g.nodes, "vit", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, size, size])],
                              [helper.make_tensor_value_info(logits, TensorProto.FLOAT, [batch, config["num_classes"]])],
                              list(g.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)], ir_version=8)
