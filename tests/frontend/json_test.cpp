#include "frontend/json.h"

#include "base/error.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

using vitro::Error;
using vitro::JsonValue;

namespace {

JsonValue parse(std::string_view text) { return JsonValue::parse(text, "a.json"); }

std::string error_of(auto&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("values come back as they were written") {
    const JsonValue value =
        parse(R"({"a": 1, "b": [true, null, "x\u00e9\n", -2.5], "c": {"d": 18446744073709551615}})");
    CHECK(value.at("a").integer() == 1);
    CHECK(value.at("a").number() == 1.0);
    const auto b = value.at("b").array();
    REQUIRE(b.size() == 4);
    CHECK(b[0].boolean());
    CHECK(b[1].is_null());
    CHECK(b[2].string() == "x\xc3\xa9\n");
    CHECK(b[3].number(-3, 3) == -2.5);
    CHECK_FALSE(value.at("c").at("d").is_integer());
    CHECK(value.at("c").at("d").number() == 18446744073709551615.0);
    CHECK(value.object_keys() == std::vector<std::string_view>{"a", "b", "c"});
    CHECK(value.members()[1].key == "b");
    CHECK(b[3].path() == "b[3]");
    CHECK(value.at("c").at("d").path() == "c.d");
    CHECK(value.path().empty());
}

TEST_CASE("an absent key, a null and a value are three things") {
    const JsonValue value = parse(R"({"null": null, "zero": 0})");
    CHECK_FALSE(value.find("absent").has_value());
    CHECK(value.find("null").has_value());
    CHECK_FALSE(value.given("null").has_value());
    CHECK(value.given("zero").has_value());
    CHECK(error_of([&] { value.at("absent"); }) == "a.json: expected the key \"absent\", found no such key");
}

TEST_CASE("a value outlives the document it was taken from") {
    const auto element = [] { return parse(R"({"deep": ["kept"]})").at("deep").array().at(0); }();
    CHECK(element.string() == "kept");
    CHECK(element.path() == "deep[0]");
}

TEST_CASE("integers are integers, in range, and never wrap") {
    const auto error = [](std::string_view number) {
        return error_of([&] { parse(R"({"n": )" + std::string(number) + "}").at("n").integer(1, 1048576); });
    };
    CHECK(error("3.5") == "a.json: \"n\": expected an integer in [1, 1048576], found 3.5");
    CHECK(error("3.0") == "a.json: \"n\": expected an integer in [1, 1048576], found 3.0");
    CHECK(error("1e3") == "a.json: \"n\": expected an integer in [1, 1048576], found 1e3");
    CHECK(error("0") == "a.json: \"n\": expected an integer in [1, 1048576], found 0");
    CHECK(error("-1") == "a.json: \"n\": expected an integer in [1, 1048576], found -1");
    CHECK(error("1048577") == "a.json: \"n\": expected an integer in [1, 1048576], found 1048577");
    CHECK(error("18446744073709551615").ends_with("found 18446744073709551615"));
    CHECK(error("18446744073709551617").ends_with("found 18446744073709551617"));
    CHECK(error("\"7\"").ends_with("found \"7\""));
    CHECK(error("true").ends_with("found true"));
    CHECK(error("1048576") == "no error");
    CHECK(parse("-9223372036854775808").integer() == std::numeric_limits<std::int64_t>::min());
    CHECK_THROWS_AS(parse("9223372036854775808").integer(), Error);
}

TEST_CASE("every accessor names the value it refuses") {
    const JsonValue value = parse(R"({"o": {"s": "text", "n": 1.5, "l": [1, 2], "e": {}}})").at("o");
    CHECK(error_of([&] { value.at("s").number(); }) == "a.json: \"o.s\": expected a number, found \"text\"");
    CHECK(error_of([&] { value.at("n").number(0, 1); }) == "a.json: \"o.n\": expected a number in [0, 1], found 1.5");
    CHECK(error_of([&] { value.at("n").string(); }) == "a.json: \"o.n\": expected a string, found 1.5");
    CHECK(error_of([&] { value.at("l").boolean(); }) == "a.json: \"o.l\": expected true or false, found an array of 2");
    CHECK(error_of([&] { value.at("e").array(); }) ==
          "a.json: \"o.e\": expected an array, found an object with 0 keys");
    CHECK(error_of([&] { value.at("l").at("x"); }) == "a.json: \"o.l\": expected an object, found an array of 2");
    CHECK(error_of([&] { value.at("l").array()[1].refuse("three"); }) == "a.json: \"o.l[1]\": expected three, found 2");
    CHECK(error_of([] { parse("[]").at("x"); }) == "a.json: expected an object, found an array of 0");
}

TEST_CASE("what is not JSON is refused with line and column") {
    const auto error = [](std::string_view text) { return error_of([&] { parse(text); }); };
    CHECK(error("{\"a\": NaN}") ==
          "a.json: line 1, column 7: expected valid JSON, found NaN, which no JSON number can be");
    CHECK(error("{\"a\": -Infinity}").ends_with("found -Infinity, which no JSON number can be"));
    CHECK(error("{\"a\": Infinity}").ends_with("found Infinity, which no JSON number can be"));
    CHECK(error("{\"a\": 1e999}").ends_with("found a number too large for a double"));
    CHECK(error("{\n  \"a\": tru\n}").starts_with("a.json: line 2, column 11: expected valid JSON, found "));
    CHECK(error("").ends_with("found the end of the file"));
    CHECK(error("{\"a\": [1,").ends_with("found the end of the file"));
    CHECK(error("{\"a\": 1} x").starts_with("a.json: line 1, column 10: expected valid JSON"));
    for (const char* text : {"{\"a\": 01}", "{'a': 1}", "{\"a\": 1,}", "{a: 1}", "[1 2]", "// x\n1", "\"\\ud800\"",
                             "\"\n\"", "+1", "nan", "\"\\x\""}) {
        CAPTURE(text);
        CHECK(error(text).starts_with("a.json: line "));
        CHECK(error(text).find('\n') == std::string::npos);
    }
}

TEST_CASE("text must be UTF-8 without zero bytes") {
    for (const char* bytes : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
        CAPTURE(bytes);
        CHECK(error_of([&] { parse("{\"a" + std::string(bytes) + "\": 1}"); }).find("ill-formed UTF-8") !=
              std::string::npos);
    }
    using namespace std::string_view_literals;
    CHECK(error_of([] { parse("{}\0{}"sv); }) == "a.json: expected JSON text, found a zero byte at offset 2");
}

TEST_CASE("a key that comes twice is refused, also deep inside") {
    CHECK(error_of([] { parse(R"({"a": 1, "b": 2, "a": 3})"); }) ==
          "a.json: expected each key once, found \"a\" twice");
    CHECK(error_of([] { parse(R"({"x": [{"y": {"a": 1, "a": 1}}]})"); }) ==
          "a.json: \"x[0].y\": expected each key once, found \"a\" twice");
    CHECK(parse(R"({"a": {"a": 1}, "b": {"a": 2}})").at("b").at("a").integer() == 2);
}

TEST_CASE("depth, size and number of values are limited") {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK_NOTHROW(parse(nested(64)));
    CHECK(error_of([&] { parse(nested(65)); }) == "a.json: expected values nested at most 64 deep, found one deeper");
    CHECK_THROWS_AS(parse(std::string(1000000, '[')), Error);
    CHECK(error_of([] { JsonValue::parse("[1,2,3]", "a.json", {.max_bytes = 6}); }) ==
          "a.json: expected at most 6 bytes of JSON, found 7");
    CHECK(error_of([] { JsonValue::parse("[1,2,3]", "a.json", {.max_values = 3}); }) ==
          "a.json: expected at most 3 values, found more");
    CHECK_NOTHROW(JsonValue::parse("[1,2,3]", "a.json", {.max_bytes = 7, .max_values = 4, .max_depth = 1}));
}

TEST_CASE("a file is read and errors speak of its name") {
    const vitro::test::TempDir directory;
    vitro::test::write_bytes(directory / "some.json", "{\"a\": \"b\"}");
    const JsonValue value = JsonValue::read(directory / "some.json");
    CHECK(value.file() == "some.json");
    CHECK(error_of([&] { value.at("a").integer(0, 1); }).starts_with("some.json: \"a\": "));
    CHECK(error_of([&] {
              JsonValue::read(directory / "none.json");
          }).ends_with("cannot be read: No such file or directory"));
    CHECK(error_of([&] { JsonValue::read(directory.path()); }).ends_with("expected a regular file, found a directory"));
}

TEST_CASE("quoting keeps an error on one short line") {
    CHECK(vitro::quote("a\"b\\c") == R"("a\"b\\c")");
    CHECK(vitro::quote("a\nb\x7f") == R"("a\x0ab\x7f")");
    CHECK(vitro::quote("caf\xc3\xa9 \xff") == "\"caf\xc3\xa9 \\xff\"");
    CHECK(vitro::quote(std::string(1000, 'x')).size() < 120);
    CHECK(vitro::quote(std::string(95, 'x') + "\xe2\x82\xac").ends_with("\xe2\x82\xac\""));
}
