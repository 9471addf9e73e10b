#include "graph/attributes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro {
namespace {

/// One field of every kind.
struct Everything {
    bool flag = false;
    std::int64_t count = 3;
    float eps = 1e-6f;
    std::string mode = "plain";
    DType dtype = DType::f32;
    Shape shape = {'T', 4};
    std::vector<std::int64_t> sizes;
    std::vector<float> factors = {1};
    bool operator==(const Everything&) const = default;
    static void fields(auto& self, auto&& field) {
        field("flag", self.flag);
        field("count", self.count);
        field("eps", self.eps);
        field("mode", self.mode);
        field("dtype", self.dtype);
        field("shape", self.shape);
        field("sizes", self.sizes);
        field("factors", self.factors);
    }
};

AttributeTexts texts_of(const Attributes& attributes) {
    AttributeTexts texts;
    for (const auto& [name, text] : attributes.texts()) texts.emplace(name, text);
    return texts;
}

/// What parsing complains of.
std::string complaint(const AttributeTexts& texts) {
    try {
        Attributes::parse<Everything>(texts);
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing";
}

TEST_CASE("defaults have no text; fields that differ stand in their order") {
    CHECK(Attributes(Everything{}).texts().empty());
    Everything some;
    some.dtype = DType::bf16;
    some.flag = true;
    const auto texts = Attributes(some).texts();
    REQUIRE(texts.size() == 2);
    CHECK(texts[0] == std::pair<std::string, std::string>("flag", "true"));
    CHECK(texts[1] == std::pair<std::string, std::string>("dtype", "bf16"));
    CHECK(Attributes().texts().empty());
}

TEST_CASE("every kind of field goes through text and back") {
    Everything value;
    value.flag = true;
    value.count = std::numeric_limits<std::int64_t>::min();
    value.eps = 0.1f;
    value.mode = "a \"quoted\" \\ text, with [brackets]";
    value.dtype = DType::f16;
    value.shape = {2, 'C', 5};
    value.sizes = {-1, 0, std::numeric_limits<std::int64_t>::max()};
    value.factors = {1.0f / 3, 1e-38f, 3.4e38f, -0.0f, INFINITY};
    const Attributes again = Attributes::parse<Everything>(texts_of(value));
    CHECK(again.as<Everything>() == value);
    CHECK(again == Attributes(value));

    Everything empty;
    empty.shape = {};
    empty.factors = {};
    empty.mode = "";
    CHECK(Attributes::parse<Everything>(texts_of(empty)).as<Everything>() == empty);
}

TEST_CASE("every float goes through text and back, bit for bit") {
    for (std::uint64_t bits = 0; bits < 0x7f800000; bits += 99991) {
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
        float again = -1;
        parse_attribute(attribute_text(value), again);
        REQUIRE(std::bit_cast<std::uint32_t>(again) == bits);
    }
}

TEST_CASE("an unknown field is named, with those there are") {
    CHECK(complaint({{"colour", "1"}}) ==
          "no attribute 'colour'; there are flag, count, eps, mode, dtype, shape, sizes, factors");
    CHECK(complaint({{"flag", "true"}, {"lag", "true"}}).find("'lag'") != std::string::npos);
    try {
        Attributes::parse<NoAttributes>({{"eps", "1"}});
        FAIL_CHECK("NoAttributes takes an attribute");
    } catch (const Error& error) {
        CHECK(std::string(error.what()) == "no attribute 'eps'; there are none");
    }
}

TEST_CASE("a value of the wrong kind tells field, expected and found") {
    CHECK(complaint({{"flag", "1"}}) == "attribute flag: expected true or false, found '1'");
    CHECK(complaint({{"count", "3.5"}}) == "attribute count: expected an integer, found '3.5'");
    CHECK(complaint({{"count", "99999999999999999999"}}).find("expected an integer") != std::string::npos);
    CHECK(complaint({{"count", ""}}).find("expected an integer") != std::string::npos);
    CHECK(complaint({{"eps", "small"}}) == "attribute eps: expected a number, found 'small'");
    CHECK(complaint({{"dtype", "float32"}}) == "attribute dtype: expected a dtype, found 'float32'");
    CHECK(complaint({{"mode", "plain"}}).find("expected a \"string\"") != std::string::npos);
    CHECK(complaint({{"mode", "\"open\\\""}}).find("expected a \"string\"") != std::string::npos);
    CHECK(complaint({{"sizes", "1, 2"}}).find("expected a list") != std::string::npos);
    CHECK(complaint({{"sizes", "[1, x]"}}).find("expected an integer, found 'x'") != std::string::npos);
    CHECK(complaint({{"shape", "[T, tokens]"}}).find("found 'tokens'") != std::string::npos);
}

/// Out of line: where GCC 12 sees both types it warns of the comparison that the types' check prevents.
[[gnu::noinline]] bool equal(const Attributes& a, const Attributes& b) { return a == b; }

TEST_CASE("attributes are equal when kind and fields are") {
    Everything a, b;
    CHECK(Attributes(a) == Attributes(b));
    b.count = 4;
    CHECK(!(Attributes(a) == Attributes(b)));
    CHECK(!equal(a, NoAttributes{}));
    CHECK(!(Attributes(a) == Attributes()));
    CHECK(Attributes() == Attributes());
}

}  // namespace
}  // namespace vitro
