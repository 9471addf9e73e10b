// Graphs as JSON: for programs that read graphs. graph/dump/graph.schema.json says what every field means.
#pragma once

#include "graph/dump/diff.h"
#include "graph/dump/subject.h"

#include <string>

namespace vitro {

std::string json_of(const Subject& subject);
std::string json_of(const GraphDiff& diff);

/// Google's Model Explorer's graph format: modules are its layers. `cost`: the node data that go with it, bytes moved.
std::string model_explorer_json(const Subject& subject);
std::string model_explorer_cost_json(const Subject& subject);

}  // namespace vitro
