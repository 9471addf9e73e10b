#include "passes/passes.h"

#include <algorithm>
#include <vector>

namespace vitro {

namespace {

std::vector<Pass>& passes() {
    static std::vector<Pass> list = {
        {"canonicalize", "reshape(reshape(x)) -> reshape(x), as transpose and cast; x * 1, … -> x", canonicalize},
        {"turn_weights", "x·W -> x·(Wᵀ)ᵀ, W transposed when it is loaded", turn_weights},
        {"fold_constants", "f(constants) -> constant", fold_constants},
        {"merge_common_subexpressions", "f(x), f(x) -> f(x)", merge_common_subexpressions},
        {"weights_to_blocks", "x·Wᵀ -> x·dequantize(quantize(W))ᵀ; only with --weights q8_0, q4_0, q4_k",
         weights_to_blocks, true, true},
        {"keep_blocks", "x·dequantize(W)ᵀ -> x·Wᵀ, dequantize(W)[tokens] -> W[tokens]", keep_blocks},
        {"last_rows_only", "gather_rows(f(x)) -> f(gather_rows(x)), for f that works row by row", last_rows_only},
        {"merge_projections", "x·Aᵀ, x·Bᵀ -> split(x·[A; B]ᵀ)", merge_projections},
        // After merge_projections: both want one matmul.
        {"fuse_qkv_rope", "split, rope(q), rope(k), kv_append of k and v -> qkv_rope_append(qkv)", fuse_qkv_rope},
        {"fuse_attention", "softmax(q·Kᵀ * scale + mask)·V over gathered pages -> attention(q, pages)", fuse_attention},
        {"fuse_gated_ffn", "act(x·Gᵀ) * (x·Uᵀ) -> linear(x, [G; U]) {gated}", fuse_gated_ffn},
        {"fuse_bias", "x·Wᵀ + b -> linear(x, W, b)", fuse_bias},
        {"fuse_activation", "act(x·Wᵀ + b) -> linear(x, W, b) {activation}", fuse_activation},
        {"fuse_residual", "r + x·Wᵀ -> linear(x, W, r)", fuse_residual},
        {"quantize_weights", "x·Wᵀ -> linear(x, fp8(W), weight_scale = scales(W)); only with --weights fp8",
         quantize_weights, true, true},
        // What is rounded is no longer a norm's only reader, and is normed already.
        {"quantize_activations",
         "linear(x, W) -> linear(quantize_activations(x), W), for W of blocks; linear(cast(x, bf16), W), for W of bf16",
         quantize_activations, false, true},
        // Takes the matmuls that the others made into linears, too.
        {"fuse_norm_matmul", "rms_norm(x, n)·Wᵀ -> linear(x, W, n)", fuse_norm_matmul},
        // What no matmul took.
        {"fuse_residual_norm", "s = x + y, rms_norm(s) -> add_rms_norm(x, y)", fuse_residual_norm},
        // Takes the matmul with its norm and bias, where the device has a kernel for all of it.
        {"fuse_qkv_projection", "qkv_rope_append(x·Wᵀ + b) -> qkv_projection(x, W, b)", fuse_qkv_projection},
        // Last of those that look at a matmul's weight.
        {"pack_weights", "linear(x, W) -> linear(x, pack(W)), where the kernel reads W packed", pack_weights},
        {"remove_dead_code", "values that no result depends on -> removed", remove_dead_code},
    };
    return list;
}

}  // namespace

std::span<const Pass> all_passes() { return passes(); }

void add_pass(const Pass& pass, std::string_view before) {
    const auto named = [&](std::string_view name) {
        return std::find_if(passes().begin(), passes().end(), [&](const Pass& other) { return other.name == name; });
    };
    if (pass.run == nullptr) fail("pass {}: expected a function to run, found none", pass.name);
    if (named(pass.name) != passes().end()) fail("pass {}: there already is one of this name", pass.name);
    const auto at = named(before);
    if (at == passes().end()) fail("pass {}: there is no pass {} that it could run before", pass.name, before);
    passes().insert(at, pass);
}

PipelineReport optimize(Graph& graph, std::span<const Target> targets, const PipelineOptions& options) {
    return run_passes(graph, all_passes(), targets, options);
}

}  // namespace vitro
