#include "frontend/rope_config.h"

#include "base/checked.h"
#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {
namespace {

constexpr double kMinFactor = 1e-6;
constexpr double kMaxFactor = 1e6;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 30;

/// Where the keys stand: in the nested object of either spelling, and outside of it in older files.
struct RopeKeys {
    JsonValue config;
    std::optional<JsonValue> nested;

    /// The nested key goes first, as in transformers.
    std::optional<JsonValue> find(std::string_view key) const {
        auto value = nested ? nested->given(key) : std::nullopt;
        return value ? value : config.given(key);
    }
    double number(std::string_view key, double low, double high, double otherwise) const {
        const auto value = find(key);
        return value ? value->number(low, high) : otherwise;
    }
};

RopeKeys rope_keys(const JsonValue& config) {
    auto nested = config.given("rope_scaling");
    if (!nested || nested->object_keys().empty()) nested = config.given("rope_parameters");
    if (nested && nested->object_keys().empty()) nested.reset();
    return {config, nested};
}

RopeKind kind_of(const RopeKeys& keys, const RopeDefaults& defaults) {
    if (!keys.nested) return RopeKind::unscaled;
    auto type = keys.nested->given("rope_type");
    if (!type) type = keys.nested->given("type");
    if (!type || type->string() == "default") return RopeKind::unscaled;
    const std::string_view name = type->string();
    if (defaults.only_longrope) {
        if (name == "longrope" || name == "su" || name == "yarn") return RopeKind::longrope;
        type->refuse("one of default, longrope, su");
    }
    if (name == "linear") return RopeKind::linear;
    if (name == "llama3") return RopeKind::llama3;
    if (name == "longrope") return RopeKind::longrope;
    type->refuse("one of default, linear, llama3, longrope");
}

std::vector<float> factors(const JsonValue& list, std::size_t size) {
    const std::vector<JsonValue> elements = list.array();
    if (elements.size() != size) list.refuse(fmt::format("an array of {} (half the rotary dimension)", size));
    std::vector<float> result;
    result.reserve(size);
    for (const JsonValue& element : elements)
        result.push_back(static_cast<float>(element.number(kMinFactor, kMaxFactor)));
    return result;
}

/// transformers rounds an odd number of columns up but still divides the exponents by the odd number.
void spread_odd_exponents(Rope& rope, std::int64_t turned) {
    for (std::size_t i = 0; i < rope.short_factor.size(); ++i) {
        const double columns = 2.0 * static_cast<double>(i);
        const double exponent = columns / static_cast<double>(turned) - columns / static_cast<double>(rope.rotary_dim);
        const auto spread = static_cast<float>(std::pow(rope.theta, exponent));
        rope.short_factor[i] *= spread;
        rope.long_factor[i] *= spread;
    }
}

std::vector<float> llama3_divisors(const JsonValue& parameters, const Rope& rope) {
    const double factor = parameters.at("factor").number(kMinFactor, kMaxFactor);
    const double low = parameters.at("low_freq_factor").number(kMinFactor, kMaxFactor);
    const JsonValue high_value = parameters.at("high_freq_factor");
    const double high = high_value.number(kMinFactor, kMaxFactor);
    if (high <= low) high_value.refuse(fmt::format("a number larger than low_freq_factor ({})", low));
    const auto original = static_cast<double>(rope.original_max_positions);

    std::vector<float> divisors;
    for (std::int64_t i = 0; i < rope.rotary_dim / 2; ++i) {
        const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(rope.rotary_dim);
        const double wavelength = 2 * std::numbers::pi * std::pow(rope.theta, exponent);
        // 1: turns as it was trained, 0: slowed by the whole factor.
        const double share = std::clamp((original / wavelength - low) / (high - low), 0.0, 1.0);
        divisors.push_back(static_cast<float>(1 / ((1 - share) / factor + share)));
    }
    return divisors;
}

float longrope_attention_factor(const JsonValue& parameters, std::int64_t max_positions, std::int64_t original) {
    if (const auto given = parameters.given("attention_factor")) {
        return static_cast<float>(given->number(kMinFactor, kMaxFactor));
    }
    const auto factor = parameters.given("factor");
    const double scale = factor ? factor->number(kMinFactor, kMaxFactor)
                                : static_cast<double>(max_positions) / static_cast<double>(original);
    if (scale <= 1) return 1;
    if (original < 2) {
        parameters.refuse(fmt::format("an original_max_position_embeddings of at least 2 (it is {})", original));
    }
    return static_cast<float>(std::sqrt(1 + std::log(scale) / std::log(static_cast<double>(original))));
}

/// The number of columns that turn before rounding up to an even one: head_dim * partial_rotary_factor.
std::int64_t turned_columns(const RopeKeys& keys, const RopeDefaults& defaults, std::int64_t head_dim) {
    const auto partial = keys.find("partial_rotary_factor");
    const double share = partial ? partial->number(0, 1) : 1;
    if (share < 1 && !defaults.has_partial_rotary) partial->refuse("1, since this architecture rotates whole heads");
    const auto turned = static_cast<std::int64_t>(static_cast<double>(head_dim) * share);
    if (turned == 0) partial->refuse(fmt::format("at least one column of head_dim ({}) to rotate", head_dim));
    if (turned == head_dim && head_dim % 2 != 0) {
        fail("{}: \"head_dim\": expected an even number, since rope rotates pairs of columns, found {}",
             keys.config.file(), head_dim);
    }
    return turned;
}

/// transformers gives these keys this order of precedence, also where a nested value is nearer.
std::int64_t original_max_positions(const RopeKeys& keys, const RopeDefaults& defaults, std::int64_t max_positions) {
    constexpr std::string_view kKey = "original_max_position_embeddings";
    if (const auto outer = keys.config.given(kKey)) return outer->integer(2, kMaxPositions);
    if (defaults.original_max_positions > 0) return defaults.original_max_positions;
    const auto nested = keys.nested ? keys.nested->given(kKey) : std::nullopt;
    return nested ? nested->integer(2, kMaxPositions) : max_positions;
}

}  // namespace

Rope read_rope(const JsonValue& config, const RopeDefaults& defaults, std::int64_t head_dim,
               std::int64_t max_positions) {
    const RopeKeys keys = rope_keys(config);
    const std::int64_t turned = turned_columns(keys, defaults, head_dim);
    Rope rope;
    rope.kind = kind_of(keys, defaults);
    rope.theta = keys.number("rope_theta", 1e-3, 1e12, defaults.theta);
    rope.rotary_dim = round_up<std::int64_t>(turned, 2);
    rope.original_max_positions = original_max_positions(keys, defaults, max_positions);

    const auto n_frequencies = static_cast<std::size_t>(rope.rotary_dim / 2);
    switch (rope.kind) {
        case RopeKind::unscaled:
            rope.short_factor.assign(n_frequencies, 1.0f);
            break;
        case RopeKind::linear: {
            const double factor = keys.nested->at("factor").number(kMinFactor, kMaxFactor);
            rope.short_factor.assign(n_frequencies, static_cast<float>(factor));
            break;
        }
        case RopeKind::llama3:
            rope.short_factor = llama3_divisors(*keys.nested, rope);
            break;
        case RopeKind::longrope:
            rope.short_factor = factors(keys.nested->at("short_factor"), n_frequencies);
            rope.long_factor = factors(keys.nested->at("long_factor"), n_frequencies);
            rope.attention_factor = longrope_attention_factor(*keys.nested, max_positions, rope.original_max_positions);
            break;
    }
    if (rope.long_factor.empty()) rope.long_factor = rope.short_factor;
    if (turned != rope.rotary_dim) spread_odd_exponents(rope, turned);
    return rope;
}

}  // namespace vitro
