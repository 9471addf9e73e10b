// Why passes fired or not, and what became of every value, as text to read and as JSON; and a receipt of what fired, to
// hold a later compilation against.
#pragma once

#include "graph/pass.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// First a summary of each pass: how often it fired, how often it was refused and why. Then every candidate and the
/// fate of every value; what is the same in several layers is told once ("model.layers.0-31.mlp.gated"), unless
/// `unfold`.
std::string explain_text(const PipelineReport& report, const Journal& journal, bool unfold = false);
/// The same as JSON: {"summary": [...], "findings": [...], "fates": [...]}, never folded.
std::string explain_json(const PipelineReport& report, const Journal& journal);

/// What fired where: {"graph": ..., "phase": ..., "fired": [{"pass": ..., "path": ...}, ...]}, for a file that a later
/// compilation is held against.
std::string receipt_json(const PipelineReport& report, std::string_view graph, std::string_view phase);
/// What a receipt says fired and did not fire in this report, a sentence each with pass, path and the reason; empty
/// when all of it fired. Error, naming `file`, when `receipt` is not a receipt, or is one of another graph or phase.
std::vector<std::string> missing_from(const PipelineReport& report, std::string_view receipt, const std::string& file,
                                      std::string_view graph, std::string_view phase);

}  // namespace vitro
