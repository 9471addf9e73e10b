#include "runtime/append.h"

#include "runtime/errors.h"
#include "runtime/not_finite.h"

#include <algorithm>

namespace vitro {
namespace {

PartResult step_of(LanguageModel& model, const StepPart& piece) {
    try {
        return model.step({&piece, 1}).front();
    } catch (const NotFiniteError& error) {
        const std::optional<NotFinite> found = why_not_finite(model, piece);
        if (!found) throw;
        throw NotFiniteError(fmt::format("{}; {}", error.what(), text_of(*found)));
    }
}

}  // namespace

PartResult append(LanguageModel& model, const StepPart& work, const std::function<void(const PartResult&)>& take) {
    model.check({&work, 1});
    StepPart piece = work;
    piece.length = std::max(work.length, std::ssize(model.tokens(work.sequence)) + std::ssize(work.tokens));
    const auto chunk = static_cast<std::size_t>(model.options().chunk);
    for (std::size_t done = 0;;) {
        piece.tokens = work.tokens.subspan(done, std::min(chunk, work.tokens.size() - done));
        done += piece.tokens.size();
        const bool is_last = done == work.tokens.size();
        piece.want = is_last || work.all_rows ? work.want : Want::nothing;
        const PartResult result = step_of(model, piece);
        if (take) take(result);
        if (is_last) return result;
    }
}

}  // namespace vitro
