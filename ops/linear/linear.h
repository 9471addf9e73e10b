// A linear layer with what stands around it: the norm before, bias, activation, gate and residual after.
#pragma once

#include "graph/builder.h"

#include <optional>
#include <string>

namespace vitro {

struct Linear {
    bool scaled = false;     // weight's rows are to be multiplied by an input weight_scale, which follows
    bool norm = false;       // x is normed first: an input norm_weight follows
    float eps = 1e-6f;       // of the norm
    bool bias = false;       // an input bias follows
    std::string activation;  // "": none; "silu", "gelu", "gelu_tanh", "relu"
    bool gated = false;      // the first half of the outputs, activated, times the second half
    bool residual = false;   // an input residual follows
    bool operator==(const Linear&) const = default;
    static void fields(auto& self, auto&& field) {
        field("scaled", self.scaled);
        field("norm", self.norm);
        field("eps", self.eps);
        field("bias", self.bias);
        field("activation", self.activation);
        field("gated", self.gated);
        field("residual", self.residual);
    }
};

extern const OpDef kLinear;

/// The inputs of one linear by name; -1 where attributes say that there is none.
struct LinearInputs {
    int weight_scale = -1;  // f32 [N]
    int norm_weight = -1;   // [K]
    int bias = -1;          // [N]
    int residual = -1;      // [T, M]

    /// Inputs 0 and 1 are x and weight; the others follow in this order.
    explicit LinearInputs(const Linear& linear);
    int count = 2;
};

/// h = norm ? rms_norm(x, norm_weight) : x;  z = h · weightᵀ (* weight_scale) (+ bias);  gated: M = N / 2 and
/// y = act(z[:, :M]) * z[:, M:], else M = N and y = act(z);  out = y (+ residual).
/// x: float [T, K]; weight: float [N, K], with scales also f8e4m3. out: x's dtype [T, M]; everything in between is
/// fp32.
Value linear(At at, Value x, Value weight, Linear attributes, std::optional<Value> norm_weight = {},
             std::optional<Value> bias = {}, std::optional<Value> residual = {},
             std::optional<Value> weight_scale = {});

}  // namespace vitro
