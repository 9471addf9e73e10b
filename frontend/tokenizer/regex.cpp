#include "frontend/tokenizer/regex.h"

#include "base/error.h"
#include "frontend/json.h"

#include <algorithm>
#include <cstdint>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace vitro {
namespace {

constexpr std::uint32_t kMatchLimit = 200'000'000;
constexpr std::uint32_t kHeapLimit = 256 * 1024;  // KiB
constexpr std::size_t kMaxPattern = 64 * 1024;
constexpr std::size_t kJitStack = std::size_t{64} << 20;

// What \s and \w match in Oniguruma, as members of a set. PCRE2 counts U+180E as a space and marks as no word;
// Oniguruma counts six of Latin-1's numbers among words.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kWords = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view kMoreWords = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

/// The members of [:name:], which Oniguruma takes from Unicode; empty for a name that is not known.
std::string_view posix_set(std::string_view name) {
    if (name == "alpha") return R"(\p{Alphabetic})";
    if (name == "alnum") return R"(\p{Alphabetic}\p{Nd})";
    if (name == "digit") return R"(\p{Nd})";
    if (name == "lower") return R"(\p{Lowercase})";
    if (name == "upper") return R"(\p{Uppercase})";
    if (name == "punct") return R"(\p{P}\p{S})";
    if (name == "space") return kSpaces;
    if (name == "word") return kWords;
    return {};
}

/// The pattern as PCRE2 has to have it.
std::string translated(std::string_view pattern) {
    const auto refuse = [&](std::string_view what, std::size_t at) {
        fail("regular expression {}: expected no {}, found one at byte {}", quote(pattern), what, at);
    };
    std::string out;
    bool in_set = false;
    std::size_t set_start = 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size()) {
            const char escaped = pattern[++i];
            const bool is_space = escaped == 's' || escaped == 'S';
            const std::string members(is_space ? kSpaces : kWords), more(is_space || in_set ? "" : kMoreWords);
            if (escaped == 's' || escaped == 'w')
                out += in_set ? members : fmt::format("[{}{}]", members, more);
            else if ((escaped == 'S' || escaped == 'W') && !in_set)
                out += fmt::format("[^{}{}]", members, more);
            else if (escaped == 'W' || escaped == 'h' || escaped == 'H' || escaped == 'K' || escaped == 'C')
                refuse(fmt::format("\\{}{}", escaped, in_set ? " in a set" : ""), i - 1);
            else
                out += {'\\', escaped};
            if (pattern.substr(i + 1, 1) == "{" && (escaped == 'p' || escaped == 'P' || escaped == 'x')) {
                const std::size_t end = std::min(pattern.find('}', i), pattern.size() - 1);  // of \p{L}
                out += pattern.substr(i + 1, end - i);
                i = end;
            }
            continue;
        }
        if (in_set) {
            if (c == '[' && pattern.substr(i, 2) != "[:") refuse("set within a set", i);
            if (c == '&' && pattern.substr(i, 2) == "&&") refuse("intersection of sets", i);
            if (c == '[') {  // [:alpha:]
                const std::size_t end = pattern.find(":]", i);
                const std::string_view name = pattern.substr(i + 2, end == std::string_view::npos ? 0 : end - i - 2);
                if (posix_set(name).empty()) refuse(fmt::format("set [:{}:]", name), i);
                out += posix_set(name);
                i = end + 1;
                continue;
            }
            if (c == ']' && i > set_start) in_set = false;
        } else if (c == '[') {
            in_set = true;
            set_start = i + (pattern.substr(i + 1, 1) == "^" ? 2 : 1);
        } else if (c == '}' && pattern.substr(i + 1, 1) == "+") {
            refuse("+ after a repetition in braces", i + 1);  // possessive to PCRE2 only
        } else if (c == '(' && pattern.substr(i, 2) == "(*") {
            refuse("verb", i);
        }
        out += c;
    }
    return out;
}

struct MatchDataFree {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct MatchContextFree {
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct JitStackFree {
    void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

std::string message_of(int code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(code, text, sizeof(text));
    return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Regex::Compiled {
    pcre2_code* code = nullptr;

    explicit Compiled(std::string_view pattern) {
        if (pattern.size() > kMaxPattern)
            fail("regular expression: expected at most {} bytes, found {}", kMaxPattern, pattern.size());
        const std::string text = translated(pattern);
        pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
        if (context == nullptr) throw std::bad_alloc();
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, 100);
        int error = 0;
        std::size_t place = 0;
        code =
            pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &place, context);
        pcre2_compile_context_free(context);
        if (code == nullptr)
            fail("regular expression {}: {} at byte {} of {}", quote(pattern), message_of(error), place, quote(text));
        pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT, the interpreter serves
    }
    Compiled(const Compiled&) = delete;
    Compiled& operator=(const Compiled&) = delete;
    ~Compiled() { pcre2_code_free(code); }
};

Regex::Regex(std::string_view pattern) : pattern_(pattern), compiled_(std::make_shared<Compiled>(pattern)) {}

std::vector<TextRange> Regex::find_all(std::string_view text) const {
    const std::unique_ptr<pcre2_match_data, MatchDataFree> data(
        pcre2_match_data_create_from_pattern(compiled_->code, nullptr));
    const std::unique_ptr<pcre2_match_context, MatchContextFree> context(pcre2_match_context_create(nullptr));
    std::unique_ptr<pcre2_jit_stack, JitStackFree> stack;
    if (data == nullptr || context == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimit);
    std::vector<TextRange> ranges;
    std::uint32_t options = PCRE2_NO_UTF_CHECK;
    for (std::size_t at = 0; at <= text.size();) {
        const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
        int found = pcre2_match(compiled_->code, subject, text.size(), at, options, data.get(), context.get());
        if (found == PCRE2_ERROR_JIT_STACKLIMIT && stack == nullptr) {
            stack.reset(pcre2_jit_stack_create(32 * 1024, kJitStack, nullptr));
            pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
            continue;
        }
        if (found == PCRE2_ERROR_NOMATCH) break;
        if (found < 0)
            fail("regular expression {}: {}, at byte {} of a text of {}", quote(pattern_), message_of(found), at,
                 text.size());
        const std::size_t* ends = pcre2_get_ovector_pointer(data.get());
        if (ends[1] > ends[0] && ends[0] >= at) {
            ranges.push_back({ends[0], ends[1]});
            at = ends[1];
            options &= ~PCRE2_NOTEMPTY_ATSTART;
        } else {
            at = std::max(at, ends[1]);
            options |= PCRE2_NOTEMPTY_ATSTART;
        }
    }
    return ranges;
}

}  // namespace vitro
