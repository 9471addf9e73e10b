#include "frontend/tokenizer/detokenizer.h"

#include "base/error.h"
#include "base/random.h"
#include "frontend/tokenizer/unicode.h"
#include "tests/frontend/tokenizer_files.h"

#include <doctest/doctest.h>

#include <fmt/ranges.h>

using namespace vitro;
using test::small_tokenizer;
using Ids = std::vector<std::int32_t>;

namespace {

/// What each push and finish return, "|" between.
std::string streamed(Detokenizer& detokenizer, const Ids& ids) {
    std::string out;
    for (const std::int32_t id : ids) out += detokenizer.push(id) + "|";
    return out + detokenizer.finish();
}

Ids bytes(std::string_view text) {
    Ids ids;
    for (const char c : text) ids.push_back(test::kSmallBytes + static_cast<unsigned char>(c));
    return ids;
}

Ids operator+(Ids a, const Ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// The text up to the first of the stop strings that is complete.
std::string cut(std::string_view text, const std::vector<std::string>& stops) {
    for (std::size_t end = 1; end <= text.size(); ++end) {
        std::size_t longest = 0;
        for (const std::string& stop : stops)
            if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
        if (longest > 0) return std::string(text.substr(0, end - longest));
    }
    return std::string(text);
}

}  // namespace

TEST_CASE("text comes as soon as it is certain, and never half a character") {
    const Tokenizer tokenizer = small_tokenizer();
    const Ids the{*tokenizer.find("▁the")}, a{*tokenizer.find("▁a")};
    const auto stream = [&](const Ids& ids) {
        Detokenizer detokenizer(tokenizer, {});
        return streamed(detokenizer, ids);
    };
    CHECK(stream(the + a) == "the| a|");
    CHECK(stream(bytes("世") + a) == "||世| a|");
    CHECK(stream(bytes("世")) == "||世|");
    CHECK(stream(bytes("\xe4\xb8") + a) == "||\uFFFD\uFFFD a|");
    CHECK(stream(bytes("\xe4\xb8")) == "||\uFFFD\uFFFD");
    CHECK(stream(bytes("世\xe4\xb8")) == "||世|||\uFFFD\uFFFD");  // a cut loses the last character only
    CHECK(stream(bytes("a\xb8")) == "a|\uFFFD|");
    CHECK(stream(Ids{1} + the + Ids{280, 289} + a) == "|the||| a|");
    CHECK(stream({}) == "");
}

TEST_CASE("the leading space: kept when text goes on, dropped where a text begins") {
    const Tokenizer tokenizer = small_tokenizer();
    const Ids the{*tokenizer.find("▁the")};
    const auto after = [&](const Ids& prompt) {
        Detokenizer detokenizer(tokenizer, prompt);
        return streamed(detokenizer, the + the);
    };
    CHECK(after({}) == "the| the|");
    CHECK(after({1}) == "the| the|");
    CHECK(after(tokenizer.encode("the")) == " the| the|");
    CHECK(after(tokenizer.encode("the<|user|>")) == "the| the|");
    const Tokenizer bare = small_tokenizer(R"({"add_prefix_space": false})");
    Detokenizer detokenizer(bare, {});
    CHECK(streamed(detokenizer, the) == " the|");
}

TEST_CASE("a stop string ends the text, and its beginnings are held back") {
    const Tokenizer tokenizer = small_tokenizer();
    const auto stream = [&](const std::vector<std::string>& stop, std::string_view text) {
        Detokenizer detokenizer(tokenizer, Ids{270}, {stop});
        std::string out;
        for (const char c : text) out += detokenizer.push(*tokenizer.find(std::string(1, c))) + "|";
        out += detokenizer.finish();
        return out + (detokenizer.stopped() ? " stopped by " + detokenizer.stop_string() : "");
    };
    CHECK(stream({"ab"}, "caabc") == "c||a||| stopped by ab");
    CHECK(stream({"abc"}, "abab") == "||ab||ab");
    CHECK(stream({"abc", "b"}, "abc") == "|a|| stopped by b");
    CHECK(stream({"abc", "bc"}, "abc") ==
          "|||"
          " stopped by abc");
    CHECK(stream({"aab"}, "aaab") == "||a|| stopped by aab");
    CHECK(stream({"x"}, "abc") == "a|b|c|");

    SUBCASE("in the middle of a token") {
        Detokenizer detokenizer(tokenizer, Ids{270}, {{"h"}});
        CHECK(detokenizer.push(*tokenizer.find("▁the")) == " t");
        CHECK(detokenizer.stopped());
        CHECK(detokenizer.push(270) == "");
        CHECK(detokenizer.finish() == "");
    }
    SUBCASE("made of byte pieces, at once") {
        Detokenizer detokenizer(tokenizer, Ids{270}, {{"\n"}});
        CHECK(detokenizer.push(270) == "a");
        CHECK(detokenizer.push(bytes("\n")[0]) == "");
        CHECK(detokenizer.stopped());
    }
    SUBCASE("that only the end decides") {
        Detokenizer detokenizer(tokenizer, Ids{270}, {{"\uFFFD"}});
        CHECK(detokenizer.push(bytes("\xe4")[0]) == "");
        CHECK_FALSE(detokenizer.stopped());
        CHECK(detokenizer.finish() == "");
        CHECK(detokenizer.stopped());
    }
    CHECK_THROWS_WITH_AS(Detokenizer(tokenizer, {}, {{""}}), "stop string \"\": expected UTF-8 text that is not empty",
                         Error);
    CHECK_THROWS_AS(Detokenizer(tokenizer, {}, {{"\xff"}}), Error);
    CHECK_THROWS_WITH_AS(Detokenizer(tokenizer, {}).push(290), "token id 290: expected an id in [0, 290)", Error);
}

TEST_CASE("whatever the ids, the stream is the text of all of them") {
    const Tokenizer small = small_tokenizer();
    Random random(3);
    for (int round = 0; round < 3000; ++round) {
        Ids ids;
        for (std::int64_t n = random.integer(0, 12); n > 0; --n) {
            const std::int64_t kind = random.integer(0, 3);
            if (kind == 0) {
                for (const std::int32_t id : bytes(random.integer(0, 1) ? "é" : "\U0001F600")) ids.push_back(id);
            } else {
                ids.push_back(static_cast<std::int32_t>(kind == 1 ? random.integer(0, 289) : random.integer(259, 285)));
            }
        }
        std::vector<std::string> stops;
        for (const std::string_view stop : {"ab", " t", "é", "bca", "a", "\U0001F600e"})
            if (random.integer(0, 5) == 0) stops.emplace_back(stop);
        const bool skip_special = random.integer(0, 1) == 1;
        CAPTURE(fmt::format("{} stops {}", ids, stops));
        Detokenizer detokenizer(small, {}, {stops, skip_special});
        std::string text;
        for (const std::int32_t id : ids) {
            const std::string part = detokenizer.push(id);
            CHECK(is_valid_utf8(part));
            text += part;
        }
        text += detokenizer.finish();
        const std::string whole = small.decode(ids, skip_special);
        CHECK(text == cut(whole, stops));
    }
}
