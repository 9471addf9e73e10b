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

/// Statistics and a histogram of every value and token; the elements themselves as long as the page stays small: what
/// heads look at, and vectors of heads, do not give way to other values, of which the starts of rows are kept at last.
class TraceValues {
public:
    void begin_step() { ++step_; }
    /// Elements are kept only of what `source` has, the graph as the model's code wrote it.
    void add(const SeenValue& seen, const Graph& source);
    /// By path, then by step: {"type", "steps": {"0": {"shape", "by_token", "in", "copied", "stats": [[min, max, mean,
    /// rms, NaN, +Inf, -Inf], …], "hist": [[…], …], "data": f32 in base64, "columns": how many of each row data has, if
    /// not all}}}.
    const Json& json() const { return values_; }

private:
    /// Bytes of elements that may still be kept, in base64.
    struct Budget {
        std::size_t left;
        bool take(std::int64_t elements);
    };
    /// Adds "data" to a step's entry, and "columns".
    void keep(Json& step, const SeenValue& seen, int axis);

    int step_ = -1;
    Budget maps_{std::size_t{1} << 20};     // [heads, T, C]
    Budget vectors_{std::size_t{4} << 20};  // [T, heads, n] and [heads, T, n]
    Budget others_{std::size_t{2} << 20};
    Budget starts_{std::size_t{1} << 20};  // of rows [T, n]
    Json values_ = Json::object();
};

}  // namespace vitro
