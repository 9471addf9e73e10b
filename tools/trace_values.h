// The values of a run as the page of `vitro trace` takes them.
#pragma once

#include "runtime/model_taps.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace vitro {

using Json = nlohmann::ordered_json;

/// The axis of the step's tokens, or -1.
int token_axis(const TensorType& type);

/// Statistics and a histogram of every value and token; the elements themselves as long as the page stays small.
class TraceValues {
public:
    void begin_step() { ++step_; }
    /// Elements are kept only of what `source` has, the graph as the model's code wrote it.
    void add(const SeenValue& seen, const Graph& source);
    /// By path, then by step: {"type", "steps": {"0": {"shape", "by_token", "in", "copied", "stats": [[min, max, mean,
    /// rms, NaN, +Inf, -Inf], …], "hist": [[…], …], "data": f32 in base64}}}.
    const Json& json() const { return values_; }

private:
    int step_ = -1;
    std::size_t kept_bytes_ = 0;  // of elements
    Json values_ = Json::object();
};

}  // namespace vitro
