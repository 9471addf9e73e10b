#include "frontend/tokenizer/regex.h"

#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/unicode.h"

#include <oniguruma.h>

#include <ctime>
#include <new>

namespace vitro {
namespace {

constexpr unsigned long kMostRetries = 20'000'000;  // of one search; a second or two
constexpr unsigned kMostStack = 4'000'000;          // entries, about 40 bytes each
constexpr std::size_t kMaxPattern = 64 * 1024;
constexpr unsigned kMaxNesting = 100;
// What all searches of a text may take, in seconds of the processor: far more than sensible patterns need.
constexpr double kMostSeconds = 3, kSecondsPerByte = 1e-5;
constexpr std::size_t kSearchesPerLook = 16;  // at the clock

double thread_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

const OnigUChar* bytes_of(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

std::string message_of(int code, OnigErrorInfo* info) {
    OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN] = {};
    const int length = onig_error_code_to_str(text, code, info);
    return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(length)};
}

/// Whether `pattern` has an absent operator, (?~…): its search tries all lengths at all places, beside every limit.
bool has_absent_operator(std::string_view pattern) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern.substr(i, 3) == "(?~") return true;
        if (pattern[i] == '\\') ++i;
    }
    return false;
}

struct MatchParametersFree {
    void operator()(OnigMatchParam* parameters) const { onig_free_match_param(parameters); }
};
struct RegionFree {
    void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};

}  // namespace

struct Regex::Compiled {
    OnigRegex code = nullptr;

    explicit Compiled(std::string_view pattern) {
        if (pattern.size() > kMaxPattern)
            fail("regular expression: expected at most {} bytes, found {}", kMaxPattern, pattern.size());
        if (has_absent_operator(pattern)) fail("regular expression {}: expected no absent operator", quote(pattern));
        static const bool is_ready = [] {
            OnigEncoding utf8 = ONIG_ENCODING_UTF8;
            if (onig_initialize(&utf8, 1) != ONIG_NORMAL) throw std::bad_alloc();
            onig_set_parse_depth_limit(kMaxNesting);
            onig_set_warn_func(onig_null_warn);
            return true;
        }();
        static_cast<void>(is_ready);
        OnigErrorInfo info{};
        const int error = onig_new(&code, bytes_of(pattern), bytes_of(pattern) + pattern.size(), ONIG_OPTION_NONE,
                                   ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
        if (error != ONIG_NORMAL) fail("regular expression {}: {}", quote(pattern), message_of(error, &info));
    }
    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;
    ~Compiled() { onig_free(code); }
};

Regex::Regex(std::string_view pattern) : pattern_(pattern), compiled_(std::make_shared<Compiled>(pattern)) {}

std::vector<TextRange> Regex::find_all(std::string_view text) const {
    if (text.empty()) return {};
    const std::unique_ptr<OnigRegion, RegionFree> region(onig_region_new());
    const std::unique_ptr<OnigMatchParam, MatchParametersFree> parameters(onig_new_match_param());
    if (region == nullptr || parameters == nullptr) throw std::bad_alloc();
    onig_initialize_match_param(parameters.get());
    onig_set_retry_limit_in_search_of_match_param(parameters.get(), kMostRetries);
    onig_set_match_stack_limit_size_of_match_param(parameters.get(), kMostStack);
    std::vector<TextRange> ranges;
    const OnigUChar* const begin = bytes_of(text);
    const OnigUChar* const end = begin + text.size();
    const double most = kMostSeconds + kSecondsPerByte * static_cast<double>(text.size()), start = thread_seconds();
    std::size_t searches = 0;
    for (std::size_t at = 0; at <= text.size();) {
        if (++searches % kSearchesPerLook == 0 && thread_seconds() - start > most)
            fail(
                "regular expression {}: expected at most {:.0f} seconds for a text of {} bytes, found more, at byte {}",
                quote(pattern_), most, text.size(), at);
        const int found = onig_search_with_param(compiled_->code, begin, end, begin + at, end, region.get(),
                                                 ONIG_OPTION_NONE, parameters.get());
        if (found == ONIG_MISMATCH) break;
        if (found < 0)
            fail("regular expression {}: {}, at byte {} of a text of {}", quote(pattern_), message_of(found, nullptr),
                 at, text.size());
        const TextRange match{static_cast<std::size_t>(region->beg[0]), static_cast<std::size_t>(region->end[0])};
        if (match.begin == match.end && !ranges.empty() && ranges.back().end == match.end) {
            at += at < text.size() ? first_char(text.substr(at)).length : 1;
            continue;
        }
        ranges.push_back(match);
        at = match.end;
    }
    return ranges;
}

}  // namespace vitro
