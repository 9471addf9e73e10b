// Typed attributes of an op, kept without their type in a node. An attribute struct is plain, compares with a defaulted
// ==, and lists its fields once, each with the values that it takes; printing, parsing, checking and `vitro ops` follow
// from the list:
//
//     struct RmsNorm {
//         float eps = 1e-6f;
//         bool operator==(const RmsNorm&) const = default;
//         static void fields(auto& self, auto&& field) { field("eps", self.eps, above(0)); }
//     };
//
// A field is a bool, std::int64_t, float, std::string, DType, Dim, Shape, or a std::vector of std::int64_t or float.
// Where nothing is said, a number may be any that is finite.
#pragma once

#include "base/dtype.h"
#include "base/error.h"
#include "graph/shape.h"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace vitro {

/// The text of one field's value, as it stands in a graph file.
std::string attribute_text(bool value);
std::string attribute_text(std::int64_t value);
std::string attribute_text(float value);
std::string attribute_text(const std::string& value);
std::string attribute_text(DType value);
std::string attribute_text(Dim value);
std::string attribute_text(const Shape& value);
std::string attribute_text(const std::vector<std::int64_t>& value);
std::string attribute_text(const std::vector<float>& value);

/// The inverse; Error says what was expected.
void parse_attribute(std::string_view text, bool& value);
void parse_attribute(std::string_view text, std::int64_t& value);
void parse_attribute(std::string_view text, Dim& value);
void parse_attribute(std::string_view text, float& value);
void parse_attribute(std::string_view text, std::string& value);
void parse_attribute(std::string_view text, DType& value);
void parse_attribute(std::string_view text, Shape& value);
void parse_attribute(std::string_view text, std::vector<std::int64_t>& value);
void parse_attribute(std::string_view text, std::vector<float>& value);

/// The values that a field takes; of a list, that each element takes. An infinite number or NaN is in none.
struct FieldRange {
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
    bool is_open = false;                   // `least` itself is not in it
    bool must_be_float = false;             // of a DType
    std::vector<std::string_view> words{};  // of a string: these and no others
};
inline FieldRange at_least(double least) { return {.least = least}; }
inline FieldRange above(double least) { return {.least = least, .is_open = true}; }
inline FieldRange between(double least, double most) { return {.least = least, .most = most}; }
inline FieldRange float_dtype() { return {.must_be_float = true}; }
inline FieldRange one_of(std::vector<std::string_view> words) { return {.words = std::move(words)}; }

/// "a number above 0", "each at least 1", "one of silu, gelu"; empty where every value of the kind will do.
std::string range_text(const FieldRange& range, std::string_view kind);

/// Error "expected a number above 0, found nan" unless the value is within the range.
void check_range(bool value, const FieldRange& range);
void check_range(std::int64_t value, const FieldRange& range);
void check_range(float value, const FieldRange& range);
void check_range(const std::string& value, const FieldRange& range);
void check_range(DType value, const FieldRange& range);
void check_range(Dim value, const FieldRange& range);
void check_range(const Shape& value, const FieldRange& range);
void check_range(const std::vector<std::int64_t>& value, const FieldRange& range);
void check_range(const std::vector<float>& value, const FieldRange& range);

/// What a field is called in `vitro ops`.
constexpr std::string_view kind_of(const bool&) { return "true or false"; }
constexpr std::string_view kind_of(const std::int64_t&) { return "an integer"; }
constexpr std::string_view kind_of(const float&) { return "a number"; }
constexpr std::string_view kind_of(const std::string&) { return "a string"; }
constexpr std::string_view kind_of(const DType&) { return "a dtype"; }
constexpr std::string_view kind_of(const Dim&) { return "a size or a symbol"; }
constexpr std::string_view kind_of(const Shape&) { return "a shape"; }
constexpr std::string_view kind_of(const std::vector<std::int64_t>&) { return "a list of integers"; }
constexpr std::string_view kind_of(const std::vector<float>&) { return "a list of numbers"; }

/// A field as `vitro ops` shows it.
struct AttributeField {
    std::string name;
    std::string kind;   // "a number"
    std::string value;  // as text; the default, where the attributes are
    std::string range;  // range_text
};

/// Field name to the text of its value.
using AttributeTexts = std::map<std::string, std::string, std::less<>>;

class Attributes {
public:
    /// No attributes.
    Attributes() = default;

    template <class A>
    Attributes(A attributes)  // NOLINT: an attribute struct is attributes
        : holder_(std::make_shared<Holder<A>>(std::move(attributes))) {}

    /// The struct this was made from; asking for another one is a bug.
    template <class A>
    const A& as() const {
        VITRO_CHECK(holder_ && holder_->type() == typeid(A), "attributes are not {}", typeid(A).name());
        return static_cast<const Holder<A>&>(*holder_).value;
    }

    /// The fields that differ from their defaults, in order: (name, text).
    std::vector<std::pair<std::string, std::string>> texts() const {
        return holder_ ? holder_->texts() : decltype(holder_->texts()){};
    }

    /// All fields, in order. `Attributes::parse<A>({}).fields()` are those of an A with their defaults.
    std::vector<AttributeField> fields() const { return holder_ ? holder_->fields() : std::vector<AttributeField>{}; }

    /// Error "eps: expected a number above 0, found nan" on a field whose value is out of its range: the one place that
    /// checks ranges, before an op's types are inferred.
    void check() const {
        if (holder_) holder_->check();
    }

    /// Reads an A from field texts. Error on an unknown field or a value of the wrong kind.
    template <class A>
    static Attributes parse(const AttributeTexts& texts) {
        A value;
        std::size_t used = 0;
        std::string known;
        A::fields(value, [&](std::string_view name, auto& field, const auto&...) {
            known += known.empty() ? "" : ", ";
            known += name;
            const auto at = texts.find(name);
            if (at == texts.end()) return;
            ++used;
            try {
                parse_attribute(at->second, field);
            } catch (const Error& error) {
                fail("attribute {}: {}", name, error.what());
            }
        });
        if (used != texts.size()) unknown_field(texts, known);
        return value;
    }

    friend bool operator==(const Attributes& a, const Attributes& b) {
        return a.holder_ == b.holder_ || (a.holder_ && b.holder_ && a.holder_->equals(*b.holder_));
    }

private:
    struct Base {
        virtual ~Base() = default;
        virtual const std::type_info& type() const = 0;
        virtual bool equals(const Base& other) const = 0;
        virtual std::vector<std::pair<std::string, std::string>> texts() const = 0;
        virtual std::vector<AttributeField> fields() const = 0;
        virtual void check() const = 0;
    };

    template <class A>
    struct Holder final : Base {
        explicit Holder(A a) : value(std::move(a)) {}
        const std::type_info& type() const override { return typeid(A); }
        bool equals(const Base& other) const override {
            return other.type() == typeid(A) && static_cast<const Holder&>(other).value == value;
        }
        std::vector<std::pair<std::string, std::string>> texts() const override {
            AttributeTexts defaults;
            const A plain;
            A::fields(plain, [&](std::string_view name, const auto& field, const auto&...) {
                defaults.emplace(name, attribute_text(field));
            });
            std::vector<std::pair<std::string, std::string>> out;
            A::fields(value, [&](std::string_view name, const auto& field, const auto&...) {
                std::string text = attribute_text(field);
                if (text != defaults.find(name)->second) out.emplace_back(name, std::move(text));
            });
            return out;
        }
        std::vector<AttributeField> fields() const override {
            std::vector<AttributeField> out;
            A::fields(value, [&](std::string_view name, const auto& field, const FieldRange& range = {}) {
                out.push_back({std::string(name), std::string(kind_of(field)), attribute_text(field),
                               range_text(range, kind_of(field))});
            });
            return out;
        }
        void check() const override {
            A::fields(value, [](std::string_view name, const auto& field, const FieldRange& range = {}) {
                try {
                    check_range(field, range);
                } catch (const Error& error) {
                    fail("{}: {}", name, error.what());
                }
            });
        }
        A value;
    };

    [[noreturn]] static void unknown_field(const AttributeTexts& texts, std::string_view known);

    std::shared_ptr<const Base> holder_;
};

/// The attributes of ops that have none.
struct NoAttributes {
    bool operator==(const NoAttributes&) const = default;
    static void fields(auto&, auto&&) {}
};

}  // namespace vitro
