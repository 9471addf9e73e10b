#include "frontend/tokenizer/pre_tokenizer.h"

#include "frontend/tokenizer/byte_level.h"
#include "frontend/tokenizer/pattern.h"
#include "frontend/tokenizer/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace vitro {
namespace {

/// What becomes of the stretches that a rule finds, and of those between them.
enum class Behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct Stretch {
    TextRange range;
    bool matches = false;
};

/// Appends the words that `stretches`, which cover a word from end to end, make.
void append_words(std::vector<Stretch>& stretches, Behavior behavior, std::vector<TextRange>& out) {
    const std::size_t first = out.size();
    bool before = false;  // whether the last one matched
    const auto add = [&](const Stretch& stretch, bool joins) {
        if (joins && out.size() > first)
            out.back() = {std::min(out.back().begin, stretch.range.begin), std::max(out.back().end, stretch.range.end)};
        else
            out.push_back(stretch.range);
        before = stretch.matches;
    };
    const auto begin = static_cast<std::ptrdiff_t>(first);
    if (behavior == Behavior::merged_with_next) {
        for (auto stretch = stretches.rbegin(); stretch != stretches.rend(); ++stretch)
            add(*stretch, stretch->matches && !before);
        std::reverse(out.begin() + begin, out.end());
    } else {
        for (const Stretch& stretch : stretches) {
            if (behavior == Behavior::removed && stretch.matches) continue;
            add(stretch, behavior == Behavior::merged_with_previous ? stretch.matches && !before
                         : behavior == Behavior::contiguous         ? stretch.matches == before
                                                                    : false);
        }
    }
    // Matches of nothing only cut.
    out.erase(std::remove_if(out.begin() + begin, out.end(), [](TextRange word) { return word.begin == word.end; }),
              out.end());
}

/// Cuts each word by find(its text), which gives the stretches that match.
template <class Find>
void split(PreTokenized& text, Behavior behavior, bool invert, Find&& find) {
    std::vector<TextRange> words;
    words.reserve(text.words.size());
    std::vector<Stretch> stretches;
    const std::string_view view = text.text.text;
    for (const TextRange& word : text.words) {
        stretches.clear();
        std::size_t done = word.begin;
        for (const TextRange& match : find(view.substr(word.begin, word.end - word.begin))) {
            const TextRange at{word.begin + match.begin, word.begin + match.end};
            if (done < at.begin) stretches.push_back({{done, at.begin}, invert});
            stretches.push_back({at, !invert});
            done = at.end;
        }
        if (done < word.end) stretches.push_back({{done, word.end}, invert});
        append_words(stretches, behavior, words);
    }
    text.words = std::move(words);
}

/// Each character of which is(c) is true, as a stretch.
template <class Is>
PreTokenizer split_chars(Behavior behavior, Is is) {
    return [behavior, is](PreTokenized& text) {
        split(text, behavior, false, [&](std::string_view word) {
            std::vector<TextRange> found;
            for (std::size_t at = 0; at < word.size();) {
                const Utf8Char c = first_char(word.substr(at));
                if (is(c.code_point)) found.push_back({at, at + c.length});
                at += c.length;
            }
            return found;
        });
    };
}

PreTokenizer split_pattern(Pattern pattern, Behavior behavior, bool invert) {
    return [pattern = std::move(pattern), behavior, invert](PreTokenized& text) {
        split(text, behavior, invert, [&](std::string_view word) { return pattern.find_all(word); });
    };
}

/// A new text of the words by each(out, word): it appends to `out`.
template <class Each>
void rewrite(PreTokenized& text, Each&& each) {
    AlignedText out;
    out.reserve(text.text.text.size() + text.words.size());
    for (TextRange& word : text.words) {
        const std::size_t begin = out.text.size();
        each(out, word);
        word = {begin, out.text.size()};
    }
    out.end = text.text.end;
    text.text = std::move(out);
}

Behavior read_behavior(const JsonValue& value, std::optional<Behavior> otherwise) {
    const auto given = value.given("behavior");
    if (!given && otherwise) return *otherwise;
    const JsonValue behavior = value.at("behavior");
    const std::string_view name = behavior.string();
    if (name == "Removed") return Behavior::removed;
    if (name == "Isolated") return Behavior::isolated;
    if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
    if (name == "MergedWithNext") return Behavior::merged_with_next;
    if (name == "Contiguous") return Behavior::contiguous;
    behavior.refuse("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

bool flag(const JsonValue& value, std::string_view key, bool otherwise) {
    const auto given = value.given(key);
    return given ? given->boolean() : otherwise;
}

/// A text of exactly one character.
std::string one_char(const JsonValue& value) {
    const std::string_view text = value.string();
    if (text.empty() || first_char(text).length != text.size()) value.refuse("one character");
    return std::string(text);
}

PreTokenizer read_metaspace(const JsonValue& value) {
    PrependScheme scheme = flag(value, "add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
    if (const auto given = value.given("prepend_scheme")) {
        const std::string_view name = given->string();
        if (name != "always" && name != "first" && name != "never") given->refuse("first, always or never");
        scheme = name == "always"  ? PrependScheme::always
                 : name == "first" ? PrependScheme::first
                                   : PrependScheme::never;
    }
    return metaspace(one_char(value.at("replacement")), scheme, flag(value, "split", true));
}

PreTokenizer fixed_length(std::size_t length) {
    return [length](PreTokenized& text) {
        split(text, Behavior::isolated, false, [&](std::string_view word) {
            std::vector<TextRange> found;
            std::size_t begin = 0, chars = 0;
            for (std::size_t at = 0; at < word.size();) {
                at += first_char(word.substr(at)).length;
                if (++chars % length != 0 && at < word.size()) continue;
                found.push_back({begin, at});
                begin = at;
            }
            return found;
        });
    };
}

}  // namespace

PreTokenizer pre_tokenizer_sequence(std::vector<PreTokenizer> steps) {
    return [steps = std::move(steps)](PreTokenized& text) {
        for (const PreTokenizer& step : steps) step(text);
    };
}

PreTokenizer metaspace(std::string mark, PrependScheme scheme, bool cut) {
    return [mark, scheme, cut, pattern = Pattern(mark)](PreTokenized& text) {
        rewrite(text, [&, from = text.text](AlignedText& out, TextRange word) {
            const std::string_view view = std::string_view(from.text).substr(word.begin, word.end - word.begin);
            const bool here =
                scheme == PrependScheme::always || (scheme == PrependScheme::first && from.origin(word.begin) == 0);
            if (here && !view.starts_with(' ') && !view.starts_with(mark))
                out.append(mark, from.origin(word.begin), from.origin(word.begin));
            for (std::size_t i = word.begin; i < word.end;) {
                const std::size_t space = std::min(from.text.find(' ', i), word.end);
                out.append(from, {i, space});
                if (space < word.end) out.append(mark, from.origin(space), from.origin(space + 1));
                i = space + 1;
            }
        });
        if (cut)
            split(text, Behavior::merged_with_next, false,
                  [&](std::string_view word) { return pattern.find_all(word); });
    };
}

PreTokenizer space_prefix(PrependScheme scheme) {
    return [scheme](PreTokenized& text) {
        rewrite(text, [&, from = text.text](AlignedText& out, TextRange word) {
            const std::string_view view = std::string_view(from.text).substr(word.begin, word.end - word.begin);
            const bool first = scheme == PrependScheme::first && from.origin(word.begin) == 0 &&
                               !view.starts_with(' ') && !view.starts_with(kSpaceMark);
            if (first || scheme == PrependScheme::always)
                out.append(" ", from.origin(word.begin), from.origin(word.begin));
            out.append(from, word);
        });
    };
}

PreTokenizer byte_level(bool add_prefix_space, bool use_regex) {
    std::optional<Regex> words;
    if (use_regex) words.emplace(kGpt2Words);
    return [add_prefix_space, words](PreTokenized& text) {
        if (add_prefix_space)
            rewrite(text, [&, from = text.text](AlignedText& out, TextRange word) {
                if (from.text[word.begin] != ' ') out.append(" ", from.origin(word.begin), from.origin(word.begin));
                out.append(from, word);
            });
        if (words) split(text, Behavior::isolated, false, [&](std::string_view word) { return words->find_all(word); });
        AlignedText out;
        out.reserve(text.text.text.size() * 3 / 2);
        for (TextRange& word : text.words) {
            const std::size_t begin = out.text.size();
            for (std::size_t i = word.begin; i < word.end; ++i)
                out.append(byte_level_char(text.text.text[i]), text.text.origin(i), text.text.origin(i + 1));
            word = {begin, out.text.size()};
        }
        out.end = text.text.end;
        text.text = std::move(out);
    };
}

PreTokenizer isolate(const std::vector<std::string>& regexes) {
    std::vector<PreTokenizer> steps;
    for (const std::string& regex : regexes)
        steps.push_back(split_pattern(Pattern(Regex(regex)), Behavior::isolated, false));
    return pre_tokenizer_sequence(std::move(steps));
}

PreTokenizer bert_pre_tokenizer() {
    return pre_tokenizer_sequence(
        {split_chars(Behavior::removed, is_whitespace), split_chars(Behavior::isolated, is_punctuation)});
}

PreTokenizer read_pre_tokenizer(const JsonValue& value) {
    const JsonValue type = value.at("type");
    const std::string_view name = type.string();
    if (name == "Sequence") {
        std::vector<PreTokenizer> steps;
        for (const JsonValue& step : value.at("pretokenizers").array()) steps.push_back(read_pre_tokenizer(step));
        return pre_tokenizer_sequence(std::move(steps));
    }
    if (name == "ByteLevel") return byte_level(flag(value, "add_prefix_space", true), flag(value, "use_regex", true));
    if (name == "Metaspace") return read_metaspace(value);
    if (name == "Split")
        return split_pattern(read_pattern(value.at("pattern")), read_behavior(value, std::nullopt),
                             flag(value, "invert", false));
    if (name == "Digits")
        return split_chars(flag(value, "individual_digits", false) ? Behavior::isolated : Behavior::contiguous,
                           is_numeric);
    if (name == "Punctuation") return split_chars(read_behavior(value, Behavior::isolated), is_punctuation);
    if (name == "Whitespace") {
        const std::string words = fmt::format(R"({}+|[^{}\s]+)", kWordSet, kWordSet.substr(1, kWordSet.size() - 2));
        return split_pattern(Pattern(Regex(words)), Behavior::removed, true);
    }
    if (name == "WhitespaceSplit") return split_chars(Behavior::removed, is_whitespace);
    if (name == "BertPreTokenizer") return bert_pre_tokenizer();
    if (name == "CharDelimiterSplit")
        return split_pattern(Pattern(one_char(value.at("delimiter"))), Behavior::removed, false);
    if (name == "FixedLength") return fixed_length(static_cast<std::size_t>(value.at("length").integer(1, 1 << 30)));
    type.refuse(
        "Sequence, ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, "
        "CharDelimiterSplit or FixedLength");
}

}  // namespace vitro
