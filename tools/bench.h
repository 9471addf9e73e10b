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

/// Whether steps of several shapes, which take different kernels, agree with each other, with the context full:
/// - a token appended to `context` others gives the logits that it has as the last one of a prompt;
/// - `batch` equal sequences in one step give equal logits;
/// - `batch` sequences of different lengths in one step give what each gives alone.
/// JSON: {batch, context, decode_nmse, equal, ragged_nmse, ragged_equal (sequences with the same bits), allowed_nmse,
/// agrees, why}. The model is open for so many sequences and has pages for all of them.
nlohmann::ordered_json verify_steps(LanguageModel& model, std::int64_t batch, std::int64_t context);

}  // namespace vitro
