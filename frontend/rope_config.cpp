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

/// In files of transformers 5 layers that differ have an object each; in older ones `rope_scaling` is for the layers
/// without a window.
RopeKeys rope_keys(const JsonValue& config, const RopeDefaults& defaults, RopeOf whose) {
    const auto filled = [](std::optional<JsonValue> object) {
        return object && !object->object_keys().empty() ? object : std::nullopt;
    };
    auto nested = filled(config.given("rope_scaling"));
    if (defaults.local_theta > 0) {
        const auto by_type = filled(config.given("rope_parameters"));
        const bool is_sliding = whose == RopeOf::sliding_layers;
        if (by_type && !by_type->given("full_attention") && !by_type->given("sliding_attention"))
            by_type->refuse("an object for each type of layer, \"full_attention\" and \"sliding_attention\"");
        if (by_type && nested) nested->refuse("none beside \"rope_parameters\"");
        const auto own = by_type ? by_type->given(is_sliding ? "sliding_attention" : "full_attention") : std::nullopt;
        return {config, own ? filled(own) : is_sliding ? std::nullopt : nested ? nested : by_type};
    }
    return {config, nested ? nested : filled(config.given("rope_parameters"))};
}

/// Of layers with a rope of their own, not the theta of all others.
double theta_of(const RopeKeys& keys, const RopeDefaults& defaults, RopeOf whose) {
    if (whose == RopeOf::all_layers)
        return keys.number(keys.find("rope_theta") ? "rope_theta" : defaults.theta_key, 1e-3, 1e12, defaults.theta);
    auto theta = keys.nested ? keys.nested->given("rope_theta") : std::nullopt;
    if (!theta && !defaults.local_theta_key.empty()) theta = keys.config.given(defaults.local_theta_key);
    return theta ? theta->number(1e-3, 1e12) : defaults.local_theta;
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
    if (name == "dynamic") return RopeKind::dynamic;
    if (name == "yarn") return RopeKind::yarn;
    if (name == "llama3") return RopeKind::llama3;
    if (name == "longrope") return RopeKind::longrope;
    type->refuse("one of default, linear, dynamic, yarn, llama3, longrope");
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

/// Which pairs keep their speed, which take the factor, and what lies between (Peng et al. 2023, YaRN, section 3.2).
std::vector<float> yarn_divisors(const JsonValue& parameters, const Rope& rope, double factor, std::int64_t turned) {
    if (rope.theta <= 1) parameters.refuse(fmt::format("a rope_theta above 1 for yarn (it is {})", rope.theta));
    const auto or_default = [&](std::string_view key, double otherwise) {
        const auto value = parameters.given(key);
        return value ? value->number(kMinFactor, kMaxFactor) : otherwise;
    };
    const double fast = or_default("beta_fast", 32), slow = or_default("beta_slow", 1);
    const auto columns = static_cast<double>(turned);
    const auto pair_turning = [&](double times) {
        const double wavelength = static_cast<double>(rope.original_max_positions) / (times * 2 * std::numbers::pi);
        return columns * std::log(wavelength) / (2 * std::log(rope.theta));
    };
    double low = pair_turning(fast), high = pair_turning(slow);
    const auto truncate = parameters.given("truncate");
    if (!truncate || truncate->boolean()) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, columns - 1);
    if (low == high) high += 0.001;

    std::vector<float> divisors;
    for (std::int64_t i = 0; i < rope.rotary_dim / 2; ++i) {
        const double share = 1 - std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
        divisors.push_back(static_cast<float>(1 / ((1 - share) / factor + share)));
    }
    return divisors;
}

double yarn_factor(const JsonValue& parameters, std::int64_t max_positions, std::int64_t original) {
    const JsonValue factor = parameters.at("factor");
    return factor.is_null() ? static_cast<double>(max_positions) / static_cast<double>(original)
                            : factor.number(kMinFactor, kMaxFactor);
}

float yarn_attention_factor(const JsonValue& parameters, double factor) {
    if (const auto given = parameters.given("attention_factor"))
        return static_cast<float>(given->number(kMinFactor, kMaxFactor));
    const auto scale = [&](double by) { return factor <= 1 ? 1 : 0.1 * by * std::log(factor) + 1; };
    const auto numerator = parameters.given("mscale"), denominator = parameters.given("mscale_all_dim");
    const double above = numerator ? numerator->number(0, kMaxFactor) : 0,
                 below = denominator ? denominator->number(0, kMaxFactor) : 0;
    return static_cast<float>(above > 0 && below > 0 ? scale(above) / scale(below) : scale(1));
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
    const double share = partial ? partial->number(0, 1) : defaults.partial_rotary;
    if (share < 1 && !defaults.has_partial_rotary) partial->refuse("1, since this architecture rotates whole heads");
    const auto turned = static_cast<std::int64_t>(static_cast<double>(head_dim) * share);
    if (turned == 0)
        fail("{}: \"partial_rotary_factor\": expected at least one column of head_dim ({}) to rotate, found {}",
             keys.config.file(), head_dim, share);
    if (turned == head_dim && head_dim % 2 != 0) {
        fail("{}: \"head_dim\": expected an even number, since rope rotates pairs of columns, found {}",
             keys.config.file(), head_dim);
    }
    if (turned % 2 != 0 && !defaults.rounds_up)
        fail("{}: \"partial_rotary_factor\": expected an even number of columns of head_dim ({}) to rotate, found {}",
             keys.config.file(), head_dim, turned);
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

Rope read_rope(const JsonValue& config, const RopeDefaults& defaults, RopeOf whose, std::int64_t head_dim,
               std::int64_t max_positions) {
    const RopeKeys keys = rope_keys(config, defaults, whose);
    if (defaults.must_be_given && !keys.nested) config.at("rope_parameters").refuse("an object with its keys");
    const std::int64_t turned = turned_columns(keys, defaults, head_dim);
    Rope rope;
    rope.kind = kind_of(keys, defaults);
    rope.theta = theta_of(keys, defaults, whose);
    rope.rotary_dim = round_up<std::int64_t>(turned, 2);
    rope.original_max_positions = original_max_positions(keys, defaults, max_positions);

    const auto n_frequencies = static_cast<std::size_t>(rope.rotary_dim / 2);
    switch (rope.kind) {
        case RopeKind::unscaled:
        case RopeKind::dynamic:  // no text is longer than max_positions, so theta stays
            rope.short_factor.assign(n_frequencies, 1.0f);
            break;
        case RopeKind::linear: {
            const double factor = keys.nested->at("factor").number(kMinFactor, kMaxFactor);
            rope.short_factor.assign(n_frequencies, static_cast<float>(factor));
            break;
        }
        case RopeKind::yarn: {
            const double factor = yarn_factor(*keys.nested, max_positions, rope.original_max_positions);
            rope.short_factor = yarn_divisors(*keys.nested, rope, factor, turned);
            rope.attention_factor = yarn_attention_factor(*keys.nested, factor);
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

double read_query_scale(const JsonValue& config, const RopeDefaults& defaults) {
    const RopeKeys keys = rope_keys(config, defaults, RopeOf::all_layers);
    return keys.nested ? keys.nested->at("llama_4_scaling_beta").number(-1e3, 1e3) : 0;
}

}  // namespace vitro
