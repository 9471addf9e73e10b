// What is wrong with a tokenizer.json, or not supported in it, is said by field; and what its models do.
#include "base/error.h"
#include "base/random.h"
#include "frontend/tokenizer/gguf_vocabulary.h"
#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/frontend/tokenizer_fuzz.h"

#include <doctest/doctest.h>

#include <fmt/ranges.h>

#include <chrono>

using namespace vitro;
using test::TempDir;
using test::write_bytes;
using Ids = std::vector<std::int32_t>;

namespace {

std::string error_of(std::string_view json, std::int64_t vocab_size = 20) {
    const TempDir directory;
    write_bytes(directory / "tokenizer.json", json);
    try {
        Tokenizer::load(directory.path(), vocab_size);
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

/// A sound BPE model with "members" beside it.
std::string with(std::string_view members,
                 std::string_view model = R"("vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"])") {
    return fmt::format(R"({{"model": {{"type": "BPE", {}}}{}{}}})", model, members.empty() ? "" : ", ", members);
}

Tokenizer load(std::string_view json) {
    const TempDir directory;
    write_bytes(directory / "tokenizer.json", json);
    return Tokenizer::load(directory.path());
}

struct Case {
    std::string json;
    std::string_view said;
};

const std::vector<Case>& malformed() {
    static const std::string pattern = R"("normalizer": {"type": "Replace", "content": "", "pattern": {"Regex": ")";
    static const std::vector<Case> cases{
        {"", "tokenizer.json: "},
        {"[]", "expected an object"},
        {"{}", "\"model\""},
        {R"({"model": 1})", "\"model\": expected an object"},
        {R"({"model": {"type": "BPE"}})", "\"model\": expected the key \"vocab\""},
        {R"({"model": {"type": "Bpe", "vocab": {}}})", "\"model.type\": expected BPE, Unigram, WordPiece or WordLevel"},
        {R"({"model": {"type": 7, "vocab": {}}})", "\"model.type\": expected "},
        {with("", R"("vocab": {"a": 0})"), "\"model\": expected the key \"merges\""},
        {with("", R"("vocab": {"a": 20}, "merges": [])"), "\"model.vocab.a\": expected an integer in [0, 19]"},
        {with("", R"("vocab": {"a": -1}, "merges": [])"), "\"model.vocab.a\": expected an integer in [0, 19]"},
        {with("", R"("vocab": {"a": 0.5}, "merges": [])"), "\"model.vocab.a\""},
        {with("", R"("vocab": {"a": "0"}, "merges": [])"), "\"model.vocab.a\""},
        {with("", R"("vocab": {"a": 0, "b": 0}, "merges": [])"), "an id that is not that of \"a\""},
        {with("", R"("vocab": {"a": 0, "a": 1}, "merges": [])"), "tokenizer.json: "},
        {with("", R"("vocab": [], "merges": [])"), "\"model.vocab\": expected an object"},
        {with("", R"("vocab": {"a": 0}, "merges": {})"), "\"model.merges\": expected an array"},
        {with("", R"("vocab": {"a": 0}, "merges": ["aa"])"), "\"model.merges[0]\": expected two tokens with a space"},
        {with("", R"("vocab": {"a": 0}, "merges": ["a a a"])"),
         "\"model.merges[0]\": expected two tokens with a space"},
        {with("", R"("vocab": {"a": 0}, "merges": [["a"]])"), "\"model.merges[0]\": expected two tokens"},
        {with("", R"("vocab": {"a": 0}, "merges": [["a", 1]])"), "\"model.merges[0][1]\""},
        {with("", R"("vocab": {"a": 0}, "merges": [1])"), "\"model.merges[0]\""},
        {with("", R"("vocab": {"a": 0}, "merges": ["a b"])"),
         "\"model.merges\"[0]: expected tokens of the vocabulary, found \"b\""},
        {with("", R"("vocab": {"a": 0, "b": 1}, "merges": ["a b"])"),
         "expected tokens of the vocabulary, found \"ab\""},
        {with("", R"("vocab": {"a": 0}, "merges": [], "unk_token": "u")"),
         "\"model.unk_token\": expected a token of the vocabulary"},
        {with("", R"("vocab": {"a": 0}, "merges": [], "dropout": 0.1)"), "\"model.dropout\": expected 0 or null"},
        {with("", R"("vocab": {"a": 0}, "merges": [], "byte_fallback": 1)"), "\"model.byte_fallback\""},
        {with("", R"("vocab": {"a": 0, "b": 1}, "merges": ["a b"], "continuing_subword_prefix": "##")"),
         "that starts with \"##\""},
        {R"({"model": {"type": "Unigram", "vocab": []}})", "a vocabulary that is not empty"},
        {R"({"model": {"type": "Unigram", "vocab": [["a"]]}})", "\"model.vocab[0]\": expected a token and its score"},
        {R"({"model": {"type": "Unigram", "vocab": [["a", "b"]]}})", "\"model.vocab[0][1]\""},
        {R"({"model": {"type": "Unigram", "vocab": [[1, 2]]}})", "\"model.vocab[0][0]\""},
        {R"({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}})",
         "\"model.unk_id\": expected an integer in [0, 0]"},
        {R"({"model": {"type": "Unigram", "vocab": {"a": 0}}})", "\"model.vocab\": expected an array"},
        {R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})", "\"model\": expected the key \"unk_token\""},
        {R"({"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "u"}})",
         "\"model.unk_token\": expected a token"},
        {R"({"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "max_input_chars_per_word": -1}})",
         "max_input_chars_per_word"},
        {with(R"("added_tokens": {})"), "\"added_tokens\": expected an array"},
        {with(R"("added_tokens": [{"content": "x"}])"), "\"added_tokens[0]\": expected the key \"id\""},
        {with(R"("added_tokens": [{"id": 3}])"), "\"added_tokens[0]\": expected the key \"content\""},
        {with(R"("added_tokens": [{"id": -1, "content": "x"}])"),
         "\"added_tokens[0].id\": expected an integer in [0, 2147483647]"},
        {with(R"("added_tokens": [{"id": 3, "content": ""}])"), "a token that is not empty"},
        {with(R"("added_tokens": [{"id": 3, "content": "a"}])"), "id 0 for \"a\", which the vocabulary has"},
        {with(R"("added_tokens": [{"id": 1, "content": "x"}])"), "an id that is not that of \"b\""},
        {with(R"("added_tokens": [{"id": 3, "content": "x"}, {"id": 4, "content": "x"}])"),
         "a token that is not in the list already"},
        {with(R"("added_tokens": [{"id": 3, "content": "x"}, {"id": 3, "content": "y"}])"),
         "an id that is not that of \"x\""},
        {with(R"("added_tokens": [{"id": 3, "content": "x", "lstrip": 0}])"), "\"added_tokens[0].lstrip\""},
        {with(R"("normalizer": {})"), "\"normalizer\": expected the key \"type\""},
        {with(R"("normalizer": {"type": "NFX"})"), "\"normalizer.type\": expected Sequence, NFC"},
        {with(R"("normalizer": {"type": "Sequence"})"), "\"normalizer\": expected the key \"normalizers\""},
        {with(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "Lower"}]})"),
         "\"normalizer.normalizers[0].type\""},
        {with(R"("normalizer": {"type": "Replace", "content": "", "pattern": {"String": ""}})"),
         "a text that is not empty"},
        {with(R"("normalizer": {"type": "Replace", "content": "", "pattern": {}})"),
         "\"normalizer.pattern\": expected the key \"Regex\""},
        {with(pattern + R"((a"}})"), "regular expression \"(a\": "},
        {with(pattern + R"([[a]b"}})"), "premature end of char-class"},
        {with(pattern + R"~((?~a)"}})~"), "expected no absent operator"},
        {with(pattern + R"~((?(1)a|b)"}})~"), "invalid backref"},
        {with(pattern + R"~((?<n>\\g<n>)"}})~"), "never ending recursion"},
        {with(pattern + R"((*COMMIT)a"}})"), "undefined callout"},
        {with(pattern + std::string(200, '(') + R"("}})"), "parse depth limit over"},
        {with(pattern + R"(\\p{Nonsense}"}})"),
         "\"normalizer.pattern.Regex\": regular expression \"\\\\p{Nonsense}\": "},
        {with(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "!"})"),
         "precompiled_charsmap\": expected base 64"},
        {with(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"})"),
         "expected a size of its trie"},
        {with(R"("normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8A"})"),
         "expected units below 1"},
        {with(R"("normalizer": {"type": "Strip"})"), "\"normalizer\": expected the key \"strip_left\""},
        {with(R"("pre_tokenizer": {"type": "UnicodeScripts"})"),
         "\"pre_tokenizer.type\": expected Sequence, ByteLevel"},
        {with(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}})"),
         "\"pre_tokenizer\": expected the key \"behavior\""},
        {with(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Cut"})"),
         "expected Removed, Isolated"},
        {with(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "__"})"),
         "\"pre_tokenizer.replacement\": expected one character"},
        {with(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})"),
         "expected first, always or never"},
        {with(R"("pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": ""})"), "expected one character"},
        {with(R"("pre_tokenizer": {"type": "FixedLength", "length": 0})"), "\"pre_tokenizer.length\""},
        {with(R"("post_processor": {"type": "Template"})"),
         "\"post_processor.type\": expected Sequence, TemplateProcessing"},
        {with(R"("post_processor": {"type": "TemplateProcessing", "single": []})"), "a template with a Sequence"},
        {with(
             R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}], "special_tokens": {}})"),
         "one of \"special_tokens\""},
        {with(R"("post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {}}, {"Sequence": {}}]})"),
         "the text once"},
        {with(
             R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {}}], "special_tokens": {"x": {"ids": [20]}}})"),
         "an integer in [0, 19]"},
        {with(R"("post_processor": {"type": "BertProcessing", "cls": ["x"], "sep": ["y", 1]})"), "a token and its id"},
        {with(R"("decoder": {"type": "Decode"})"), "\"decoder.type\": expected Sequence, ByteLevel"},
        {with(R"("decoder": {"type": "Strip", "content": "ab", "start": 1, "stop": 0})"),
         "\"decoder.content\": expected one character"},
        {with(R"("decoder": {"type": "Strip", "content": "a", "start": -1, "stop": 0})"), "\"decoder.start\""},
        {with(R"("decoder": {"type": "WordPiece"})"), "\"decoder\": expected the key \"prefix\""},
    };
    return cases;
}

double seconds_of(const std::function<void()>& body) {
    const auto began = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

TEST_CASE("a malformed tokenizer.json is refused with file and field") {
    CHECK(malformed().size() >= 60);
    CHECK(error_of(with("")) == "(no error)");
    for (const Case& c : malformed()) {
        CAPTURE(c.json);
        const std::string error = error_of(c.json);
        CAPTURE(error);
        CAPTURE(c.said);
        CHECK(error.find(c.said) != std::string::npos);
        CHECK(error.find('\n') == std::string::npos);
    }
}

TEST_CASE("BPE: unknown characters, whole words, prefixes and suffixes") {
    const std::string vocab = R"("vocab": {"a": 0, "b": 1, "ab": 2, "abb": 3, "?": 4, "b</w>": 5, "##b": 6})";
    const auto ids = [&](std::string_view options, std::string_view text) {
        return load(with(R"("pre_tokenizer": {"type": "WhitespaceSplit"})",
                         vocab + R"(, "merges": ["a b"])" + std::string(options)))
            .encode(text);
    };
    CHECK(ids("", "abb xbx") == Ids{2, 1, 1});  // what has no token is dropped without an unknown one
    CHECK(ids(R"(, "unk_token": "?")", "xxa x") == Ids{4, 4, 0, 4});
    CHECK(ids(R"(, "unk_token": "?", "fuse_unk": true)", "xxa x") == Ids{4, 0, 4});
    CHECK(ids(R"(, "ignore_merges": true)", "abb") == Ids{3});
    CHECK(ids(R"(, "end_of_word_suffix": "</w>")", "bb b") == Ids{1, 5, 5});
    CHECK(load(with("",
                    R"("vocab": {"b": 0, "##b": 1, "bb": 2}, "merges": ["b ##b"], "continuing_subword_prefix": "##")"))
              .encode("bbb") == Ids{2, 1});
}

TEST_CASE("Unigram: the most probable cut, and unknown characters together") {
    const std::string model = R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["?", 0], ["a", -1], ["b", -1],
        ["ab", -1.5], ["abab", -4], ["<0xC3>", -9], ["<0xA9>", -9]])";
    CHECK(load(model + "}}").encode("abab") == Ids{3, 3});
    CHECK(load(model + "}}").encode("xyaéb") == Ids{0, 1, 0, 2});
    CHECK(load(model + R"(, "byte_fallback": true}})").encode("aéx") ==
          Ids{1, 0});  // x has no byte piece: none of both
    CHECK(load(model + R"(, "byte_fallback": true}})").encode("aéb") == Ids{1, 5, 6, 2});
    const TempDir directory;
    write_bytes(directory / "tokenizer.json", R"({"model": {"type": "Unigram", "vocab": [["a", -1]]}})");
    CHECK_THROWS_WITH_AS(Tokenizer::load(directory.path()).encode("ab"),
                         "the tokenizer has no token for b, and no unknown token", Error);
}

TEST_CASE("WordPiece: the longest start, then the longest continuations, or the unknown word") {
    const Tokenizer tokenizer = load(R"({"model": {"type": "WordPiece", "unk_token": "?", "max_input_chars_per_word": 6,
                           "vocab": {"?": 0, "un": 1, "una": 2, "##ble": 3, "##able": 4, "##b": 5, "x": 6}},
                 "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "post_processor": {"type": "BertProcessing", "sep": ["x", 6], "cls": ["?", 0]},
                 "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false}})");
    CHECK(tokenizer.encode("unable unb unc", false) == Ids{2, 3, 1, 5, 0});
    CHECK(tokenizer.encode("unableb", false) == Ids{0});  // 7 characters
    CHECK(tokenizer.encode("x") == Ids{0, 6, 6});
    CHECK(tokenizer.decode(Ids{2, 3, 1, 5}) == "unable unb");
    CHECK(tokenizer.encode_pieces("  unable x", false) ==
          std::vector<Tokenizer::Piece>{{2, 2, 5}, {3, 5, 8}, {6, 9, 10}});
}

TEST_CASE("a megabyte of one letter takes time in proportion, whatever the model") {
    std::vector<Tokenizer> tokenizers;
    const std::string merges = R"("vocab": {"a": 0, "aa": 1, "aaaa": 2, " ": 3}, "merges": ["a a", "aa aa"])";
    tokenizers.push_back(load(with("", merges)));
    tokenizers.push_back(load(with(R"("pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false})", merges)));
    tokenizers.push_back(load(with(
        R"("pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex":
            "[\\p{Lu}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lo}]+|[\\p{Lu}\\p{Lo}]+[\\p{Ll}]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}})",
        merges)));
    tokenizers.push_back(load(R"({"model": {"type": "Unigram", "vocab": [["a", -1], ["aa", -1.5]], "unk_id": 0}})"));
    tokenizers.push_back(load(R"({"model": {"type": "WordPiece", "unk_token": "a", "vocab": {"a": 0, "##a": 1}}})"));
    tokenizers.push_back(load(with(R"("added_tokens": [{"id": 5, "content": "aaaaaaaaaaaaaaaaaaaaaaaab"}])", merges)));
    tokenizers.push_back(load(with(R"("normalizer": {"type": "NFKC"})", merges)));
    tokenizers.push_back(test::small_tokenizer());
    for (const std::string_view letter : {"a", " ", "A", "漢", "\n"}) {
        std::string text;
        while (text.size() < 1'000'000) text += letter;
        for (std::size_t i = 0; i < tokenizers.size(); ++i) {
            CAPTURE(i);
            CAPTURE(letter);
            const double few = seconds_of([&] { tokenizers[i].encode(std::string_view(text).substr(0, 99'999)); });
            const double all = seconds_of([&] { tokenizers[i].encode(text); });
            CHECK(all < 40 * few + 0.5);  // ten times the text; quadratic would be a hundred times
        }
    }
}

TEST_CASE(
    "byte fallback, as tokenizers 0.23.3 has it: an affix's bytes too, and not for the unknown token's own name") {
    const auto bytes_of = [](const auto& entry, std::string_view text) {
        std::string out;
        for (const char c : text) out += entry(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c)));
        return out;
    };
    int id = 0;
    const std::string bpe =
        bytes_of([&](const std::string& name) { return fmt::format("\"{}\": {}, ", name, id++); }, "x</w>");
    const Tokenizer suffixed = load(with("", fmt::format(R"("vocab": {{{}"a": 5}}, "merges": [], "byte_fallback": true,
                                     "end_of_word_suffix": "</w>")",
                                                         bpe)));
    CHECK(suffixed.encode("ax") == std::vector<std::int32_t>{5, 0, 1, 2, 3, 4});
    const std::string pieces =
        bytes_of([](const std::string& name) { return fmt::format("[\"{}\", -9], ", name); }, "UNK[]x");
    const Tokenizer unigram = load(fmt::format(
        R"({{"model": {{"type": "Unigram", "byte_fallback": true, "unk_id": 7, "vocab": [{}["a", -1], ["[UNK]", -2]]}}}})",
        pieces));
    CHECK(unigram.encode("a[UNK]a") == std::vector<std::int32_t>{6, 7, 6});
    CHECK(unigram.encode("a[UNK]x") == std::vector<std::int32_t>{6, 3, 0, 1, 2, 4, 5});  // one unknown stretch
}

TEST_CASE("a pattern that tries all it can ends in an Error, though each of its searches is short") {
    const Tokenizer tokenizer =
        load(with(R"("pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": ".*.*x|."}})",
                  R"("vocab": {"a": 0, "b": 1}, "merges": [])"));
    std::string text;
    while (text.size() < 200) text += "ab";
    CHECK(tokenizer.encode(text).size() == 200);
    while (text.size() < 40'000) text += text.size() % 500 < 2 ? "\n" : "ab";
    CHECK_THROWS_WITH_AS(tokenizer.encode(text), doctest::Contains("seconds for a text of"), Error);
}

TEST_CASE("whatever is done to a tokenizer's files, they load or are refused with an Error") {
    Random random(17);
    for (int i = 0; i < 1500; ++i) test::fuzz_tokenizer(test::mutated_tokenizer(random));
}
