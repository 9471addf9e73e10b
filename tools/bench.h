// Timing the steps of a program, kind by kind.
#pragma once

#include "runtime/devices.h"
#include "runtime/language_model.h"

#include <nlohmann/json_fwd.hpp>

namespace vitro {

/// The steps of a phase's program with the sizes of the step that ran last: those alike (one op, attributes and types)
/// run one after the other, so that each layer reads weights of its own, not a cache; medians of `repeats`. JSON: a
/// list by falling time of {op, first, count, seconds (of one), bytes, flops, bytes_per_second, flops_per_second}.
nlohmann::ordered_json kernel_times(LanguageModel& model, Phase phase, const Devices& devices, int repeats);

}  // namespace vitro
