// The life of one value: who wrote it, what each pass did with it and why, where it lives in memory and when, what it
// costs, who reads it.
#pragma once

#include "graph/dump/story.h"

#include <string>
#include <string_view>

namespace vitro {

/// On one screen. `path` as whole_path takes it, of a value of any stage of the story: "layers.0.mlp.gated". Error when
/// no stage has it, with the nearest names.
std::string why_text(const Story& story, std::string_view path);
/// The same as one JSON object.
std::string why_json(const Story& story, std::string_view path);

}  // namespace vitro
