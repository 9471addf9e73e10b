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

struct Ranged {
    float eps = 1e-6f, scale = 1;
    std::int64_t heads = 1;
    std::string activation;
    DType dtype = DType::f32;
    Dim keys = 'C';
    std::vector<float> factors;
    bool operator==(const Ranged&) const = default;
    static void fields(auto& self, auto&& field) {
        field("eps", self.eps, at_least(0));
        field("scale", self.scale);
        field("heads", self.heads, between(1, 64));
        field("activation", self.activation, one_of({"", "silu", "relu"}));
        field("dtype", self.dtype, float_dtype());
        field("keys", self.keys, at_least(1));
        field("factors", self.factors, above(0));
    }
};

TEST_CASE("a value out of its field's range is refused by name; what is not finite is in no range") {
    const auto refused = [](const Ranged& value) -> std::string {
        try {
            Attributes(value).check();
        } catch (const Error& error) {
            return error.what();
        }
        return "accepted";
    };
    CHECK(refused({}) == "accepted");
    CHECK(refused({.eps = 0}) == "accepted");
    CHECK(refused({.eps = -1}) == "eps: expected a number of at least 0, found -1");
    CHECK(refused({.eps = NAN}) == "eps: expected a finite number of at least 0, found nan");
    CHECK(refused({.eps = INFINITY}) == "eps: expected a finite number of at least 0, found inf");
    CHECK(refused({.scale = -3e38f}) == "accepted");
    CHECK(refused({.scale = -INFINITY}) == "scale: expected a finite number, found -inf");
    CHECK(refused({.heads = 0}) == "heads: expected an integer in [1, 64], found 0");
    CHECK(refused({.heads = 64}) == "accepted");
    CHECK(refused({.heads = 65}) == "heads: expected an integer in [1, 64], found 65");
    CHECK(refused({.activation = "tanh"}) == "activation: expected one of \"\", silu, relu, found 'tanh'");
    CHECK(refused({.dtype = DType::i32}) == "dtype: expected one of f32, f16, bf16, found i32");
    CHECK(refused({.keys = 0}) == "keys: expected an integer of at least 1, found 0");
    CHECK(refused({.keys = 7}) == "accepted");
    CHECK(refused({.factors = {1, 0}}) == "factors: element 1: expected a number above 0, found 0");
    Attributes().check();
}

TEST_CASE("the fields are listed with kind, default and range") {
    const auto fields = Attributes::parse<Ranged>({}).fields();
    REQUIRE(fields.size() == 7);
    CHECK(fields[0].name == "eps");
    CHECK(fields[0].kind == "a number");
    CHECK(fields[0].value == "1e-06");
    CHECK(fields[0].range == "at least 0");
    CHECK(fields[1].range.empty());
    CHECK(fields[2].range == "in [1, 64]");
    CHECK(fields[3].range == "one of \"\", silu, relu");
    CHECK(fields[5].value == "C");
    CHECK(fields[6].range == "each above 0");
    CHECK(Attributes().fields().empty());
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
