// Typed attributes of an op, kept without their type in a node. An attribute struct is plain, compares with a defaulted
// ==, and lists its fields once; printing and parsing follow from the list:
//
//     struct RmsNorm {
//         float eps = 1e-6f;
//         bool operator==(const RmsNorm&) const = default;
//         static void fields(auto& self, auto&& field) { field("eps", self.eps); }
//     };
//
// A field is a bool, std::int64_t, float, std::string, DType, Shape, or a std::vector of std::int64_t or float.
#pragma once

#include "base/dtype.h"
#include "base/error.h"
#include "graph/shape.h"

#include <cstdint>
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
std::string attribute_text(const Shape& value);
std::string attribute_text(const std::vector<std::int64_t>& value);
std::string attribute_text(const std::vector<float>& value);

/// The inverse; Error says what was expected.
void parse_attribute(std::string_view text, bool& value);
void parse_attribute(std::string_view text, std::int64_t& value);
void parse_attribute(std::string_view text, float& value);
void parse_attribute(std::string_view text, std::string& value);
void parse_attribute(std::string_view text, DType& value);
void parse_attribute(std::string_view text, Shape& value);
void parse_attribute(std::string_view text, std::vector<std::int64_t>& value);
void parse_attribute(std::string_view text, std::vector<float>& value);

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

    /// Reads an A from field texts. Error on an unknown field or a value of the wrong kind.
    template <class A>
    static Attributes parse(const AttributeTexts& texts) {
        A value;
        std::size_t used = 0;
        std::string known;
        A::fields(value, [&](std::string_view name, auto& field) {
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
            A::fields(plain,
                      [&](std::string_view name, const auto& field) { defaults.emplace(name, attribute_text(field)); });
            std::vector<std::pair<std::string, std::string>> out;
            A::fields(value, [&](std::string_view name, const auto& field) {
                std::string text = attribute_text(field);
                if (text != defaults.find(name)->second) out.emplace_back(name, std::move(text));
            });
            return out;
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
