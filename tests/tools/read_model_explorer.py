"""Reads a graph and its node data with Model Explorer's own classes: read_model_explorer.py GRAPH COST."""
import dataclasses
import json
import sys
import typing

from model_explorer import graph_builder, node_data_builder


def build(kind, value):
    """`value` as an object of a dataclass; an unknown or missing field or a wrong type is an error."""
    if typing.get_origin(kind) in (list,):
        assert isinstance(value, list), value
        return [build(typing.get_args(kind)[0], each) for each in value]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
        return kind(**{key: build(hints[key], each) for key, each in value.items()})
    if kind is str:
        assert isinstance(value, str), value
    return value


graphs = json.load(open(sys.argv[1]))
collection = build(graph_builder.GraphCollection, graphs)
costs = {key: build(node_data_builder.GraphNodeData, value) for key, value in json.load(open(sys.argv[2])).items()}
data = node_data_builder.ModelNodeData(costs)
data.to_json_string()
for graph in collection.graphs:
    ids = {node.id for node in graph.nodes}
    assert set(costs[graph.id].results) <= ids
    print(f"{graph.id}: {len(ids)} nodes")
