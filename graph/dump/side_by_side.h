// Two or more graphs side by side: every path that one of them has, what each side has there, and what differs.
#pragma once

#include "graph/dump/story.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// How far a value of a run is off the first side's.
struct SideError {
    double nmse = 0, largest = 0;
    std::string where;   // of the largest difference: "[3, 17]"; empty where there is none
    bool parts = false;  // further than rounding explains
};

/// A graph to be held against others.
struct Side {
    std::string name;   // "a"
    std::string title;  // what it is: "models/bundled/tiny-phi3, cpu, weights fp8"
    const Story* story = nullptr;
    std::string stage = "program";
    std::map<std::string, SideError> errors;  // by path, of a run; empty on the first side and without one
    std::string parting;                      // the first value that parts, and why; empty where none does
};

/// What can differ from the first side that has the path.
enum class Aspect : std::uint8_t { presence, op, inputs, dtype, shape, step, bytes, error };
inline constexpr std::size_t kAspects = 8;
std::string_view name(Aspect aspect);

/// What a side has at a path.
struct SideValue {
    bool is_there = false;
    std::string op;                     // with its attributes; "weight", "input", … of what no op computes
    std::vector<std::string> inputs;    // paths
    std::vector<std::string> realizes;  // paths of the source graph that it stands for
    std::string dtype, shape;
    std::int64_t step = 0;      // of the program, from 1; 0: it is none
    std::string device;         // that runs the step
    bool is_reference = false;  // by the op's reference
    bool at_load = false;       // runs once, when the model is loaded
    std::int64_t bytes = 0;     // that the op moves in a step; of what no op computes: its own
    std::string fate;           // of a path that is not there: "elided in model.norm, by fuse_norm_matmul"
    std::optional<SideError> error;
};

struct SideRow {
    std::string path;
    std::vector<SideValue> sides;  // by the order of the sides
    std::vector<Aspect> differs;   // on any side, rising
};

/// The sums of a side.
struct SideTotals {
    std::size_t ops = 0, steps = 0;
    std::int64_t bytes = 0, flops = 0;  // of a step
    std::vector<std::pair<std::string, std::size_t>> regions;
};

struct SideBySide {
    std::vector<Side> sides;
    std::vector<SideTotals> totals;
    /// In the first side's order; what only others have stands behind what goes before it there.
    std::vector<SideRow> rows;
};

/// `sides`, two or more, whose stories must outlive the result.
SideBySide side_by_side(std::vector<Side> sides);

/// For people: the sums and the rows that differ; layers that differ alike are told once, unless `unfold`.
std::string text_of(const SideBySide& all, bool unfold = false);
/// {"format": "vitro graph comparison", …}, all rows.
std::string json_of(const SideBySide& all);

}  // namespace vitro
