// The life of one value: who wrote it, what each pass did with it and why, where it lives in memory and when, what it
// costs, who reads it.
#pragma once

#include "graph/dump/story.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace vitro {

/// What the step of the program that makes the value took in a run.
struct StepTime {
    double seconds = 0;             // the mean of its runs
    double of_step = 0;             // share of the time of the model's whole step
    std::optional<double> of_peak;  // share of what the device does at most; nothing where what it reads is in a cache
    std::string_view bound;         // what that is: "memory", "compute" or "cache"
    std::int64_t runs = 0;
};
/// By the path of the step's first output; nothing for a step that was not timed.
using TimeOf = std::function<std::optional<StepTime>(const std::string& first_output)>;

/// On one screen. `path` as whole_path takes it, of a value of any stage of the story: "layers.0.mlp.gated". Error when
/// no stage has it, with the nearest names. `time_of` may be null.
std::string why_text(const Story& story, std::string_view path, const TimeOf& time_of);
/// The same as one JSON object.
std::string why_json(const Story& story, std::string_view path, const TimeOf& time_of);

}  // namespace vitro
