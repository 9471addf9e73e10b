// Texts longer than one step takes.
#pragma once

#include "runtime/language_model.h"

#include <functional>

namespace vitro {

/// Appends the tokens of one sequence, in as many steps as there are chunks, and returns the result of the last step.
/// `take`, if it is given, gets the result of every step; steps before the last one have one only when all rows are
/// wanted. Error when the tokens as a whole are refused: then nothing has changed. When a later step fails, the chunks
/// before it stay appended. When results are not finite, the step is run again with all values watched, and the error
/// names the first value that is not finite.
PartResult append(LanguageModel& model, const StepPart& work,
                  const std::function<void(const PartResult&)>& take = nullptr);

}  // namespace vitro
