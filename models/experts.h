// A mixture of experts: feed-forward layers of which each token goes through a few.
#pragma once

#include "models/decoder.h"

namespace vitro {

/// Which experts a token chooses, and what share each has in the outcome.
struct Choice {
    Value experts;  // i32 [T, experts_per_token]
    Value shares;   // [T, experts_per_token]
};
/// Those of the largest of the router's logits [T, n_experts], by the softmax over all of them, or, where shares are to
/// sum to 1, over the chosen ones: which is the same but for a factor.
Choice choose_experts(Decoder& d, Value logits);

/// A weight of all experts, [n_experts, out, in], which the module at hand has by the expert ("experts.0.w1.weight"),
/// or stacked ("experts.w1.weight").
Value expert_weights(Decoder& d, std::string_view name, std::int64_t out, std::int64_t in);

/// Σ_j shares[t, j] · outputs[t, j]: [T, hidden_size] of [T, experts_per_token, hidden_size].
Value sum_by_shares(Decoder& d, Value outputs, Value shares);

struct ExpertNames {
    std::string_view gate, up, down;
};
/// Σ_j share_j · down_j(act(gate_j(x)) * up_j(x)) over the experts that a token chooses.
Value gated_experts(Decoder& d, const Choice& choice, const ExpertNames& names, Value x);

}  // namespace vitro
