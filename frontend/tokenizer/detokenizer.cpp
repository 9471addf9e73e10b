#include "frontend/tokenizer/detokenizer.h"

#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <utility>

namespace vitro {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, Options options)
    : tokenizer_(tokenizer), options_(std::move(options)), stream_(tokenizer.decode_stream()) {
    if (!prompt.empty() && !tokenizer.is_special(prompt.back())) stream_.continue_text();
    for (const std::string& stop : options_.stop)
        if (stop.empty() || !is_valid_utf8(stop))
            fail("stop string {}: expected UTF-8 text that is not empty", quote(stop));
}

std::string Detokenizer::push(std::int32_t id) {
    tokenizer_.check_id(id);
    if (stopped_) return {};
    held_ += tokenizer_.push(stream_, id, options_.skip_special);
    return release();
}

std::string Detokenizer::finish() {
    if (!stopped_) {
        held_ += stream_.finish();
        find_stop(held_);
    }
    return std::exchange(held_, {});
}

/// If a stop string is complete in `text`: holds what stands before it. The one that ends first counts, of those that
/// end together the longest, so that it does not matter how the text was cut into tokens.
bool Detokenizer::find_stop(std::string_view text) {
    std::size_t first_end = std::string_view::npos;
    for (const std::string& stop : options_.stop) {
        const std::size_t begin = text.find(stop);
        if (begin == std::string_view::npos) continue;
        const std::size_t end = begin + stop.size();
        if (end > first_end || (end == first_end && stop.size() <= stop_string_.size())) continue;
        first_end = end;
        stop_string_ = stop;
    }
    if (first_end == std::string_view::npos) return false;
    stopped_ = true;
    held_ = std::string(text.substr(0, first_end - stop_string_.size()));
    return true;
}

/// Hands out what is held, except an end that may be the beginning of a stop string.
std::string Detokenizer::release() {
    if (find_stop(held_)) return std::exchange(held_, {});
    std::size_t kept = 0;
    for (const std::string& stop : options_.stop)
        for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > kept; --length)
            if (held_.ends_with(std::string_view(stop).substr(0, length))) kept = length;
    std::string text = held_.substr(0, held_.size() - kept);
    held_.erase(0, text.size());
    return text;
}

}  // namespace vitro
