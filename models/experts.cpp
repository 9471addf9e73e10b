#include "models/experts.h"

#include "ops/concat/concat.h"
#include "ops/expert_linear/expert_linear.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/reshape/reshape.h"
#include "ops/softmax/softmax.h"
#include "ops/top_k/top_k.h"

namespace vitro {

Choice choose_experts(Decoder& d, Value logits) {
    const bool sum_to_one = d.c.normalizes_experts;
    if (!sum_to_one) logits = softmax(d.b.named("probabilities"), logits);
    const TopKValues top = top_k(d.b.named("chosen"), logits, {.k = d.c.experts_per_token});
    return {top.indices, sum_to_one ? softmax(d.b.named("shares"), top.values) : top.values};
}

Value expert_weights(Decoder& d, std::string_view name, std::int64_t out, std::int64_t in) {
    const auto list = d.b.scope("experts", "ModuleList");
    const std::string weight = fmt::format("{}.weight", name);
    if (d.c.experts_are_stacked) return d.weight(weight.c_str(), {d.c.n_experts, out, in});
    std::vector<Value> all;
    for (std::int64_t i = 0; i < d.c.n_experts; ++i) {
        const auto expert = d.b.scope(std::to_string(i), d.family() + "Expert");
        const auto module =
            d.b.scope(name, "Linear", fmt::format("in_features={}, out_features={}, bias=False", in, out));
        all.push_back(d.weight("weight", {out, in}));
    }
    const Value rows = concat(d.b.named(fmt::format("{}.rows", name)), all, 0);
    return reshape(d.b.named(weight), rows, {d.c.n_experts, out, in});
}

Value sum_by_shares(Decoder& d, Value outputs, Value shares) {
    const std::int64_t choices = d.c.experts_per_token;
    const Value row = reshape(d.b.named("shares.row"), shares, {'T', 1, choices});
    const Value sum = matmul(d.b.named("sum"), row, outputs);  // [T, 1, hidden_size]
    return reshape(d.b.named("out"), sum, {'T', d.c.hidden_size});
}

Value gated_experts(Decoder& d, const Choice& choice, const ExpertNames& names, Value x) {
    const std::int64_t size = d.c.expert_size, width = d.c.hidden_size;
    const auto product = [&](std::string_view name, Value from, std::int64_t out, std::int64_t in) {
        const Value weights = expert_weights(d, name, out, in);
        return expert_linear(d.b.named(fmt::format("experts.{}", name)), from, weights, choice.experts);
    };
    const Value gate = product(names.gate, x, size, width), up = product(names.up, x, size, width);
    const Value gated = mul(d.b.named("gated"), d.activation(d.b, gate), up);
    return sum_by_shares(d, product(names.down, gated, width, size), choice.shares);
}

}  // namespace vitro
