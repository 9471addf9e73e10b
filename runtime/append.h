// Texts longer than one step takes.
#pragma once

#include "runtime/language_model.h"

#include <functional>

namespace vitro {

/// Appends the tokens of one sequence in as many steps as chunks need, and returns what the last one gives. `take`,
/// where it is given, gets what every step gives, which is something before the last one only where all rows are
/// wanted. Error when the whole cannot be, and nothing has changed; when a later step fails, the pieces before it stay.
/// Where results are not finite the step is made again under watch, and the error names the first value that is not.
PartResult append(LanguageModel& model, const StepPart& work,
                  const std::function<void(const PartResult&)>& take = nullptr);

}  // namespace vitro
