// A fault in one of two runs is found where it is, by its cause.
#include "runtime/compare.h"

#include "base/rounded.h"
#include "graph/text.h"
#include "ops/attention/attention.h"
#include "ops/linear/linear.h"
#include "passes/passes.h"
#include "tests/runtime/faulty_kernels.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

namespace vitro::test {
namespace {

const std::vector<std::int32_t> kPrompt{3, 17, 5, 60, 2, 33, 8, 21, 44, 12, 1};

std::filesystem::path golden(const std::string& name) { return source_path("tests/golden/" + name); }

/// Compares the prompt's step, and those of three more tokens.
Comparison compared(LanguageModel& a, LanguageModel& b) {
    Comparison out(a, b);
    std::span<const float> logits = out.step(kPrompt);
    for (const std::int32_t token : {4, 9, 7})
        if (!logits.empty()) logits = out.step({&token, 1});
    return out;
}

/// A kernel that is wrong in one of its calls in each step.
struct KernelFault {
    const char* what;
    const char* golden;
    const char* op;
    int index, per_step;
    FaultyKernels::Fault fault;
    const char* path;       // where it has to be found
    const char* leave_out;  // a pass; may be empty
};

Call with(const Call& call, const Attributes& attributes, std::span<const Tensor> inputs) {
    return {inputs, call.outputs, attributes, call.backend, call.scratch, call.next_weights, call.fixed_inputs};
}

template <class T>
void with_attributes(const Call& call, const KernelDef& real, void (*change)(T&)) {
    T changed = call.attributes.as<T>();
    change(changed);
    const Attributes attributes(changed);
    real.run(with(call, attributes, call.inputs));
}

void without_input(const Call& call, const KernelDef& real, std::size_t input) {
    std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
    inputs[input] = Tensor::none();
    real.run(with(call, call.attributes, inputs));
}

const KernelFault kKernelFaults[] = {
    {"the last tile of columns is left out", "phi3_mqa", "linear", 4 + 2, 13,
     [](const Call& call, const KernelDef& real) {
         real.run(call);
         const Tensor& out = call.out();
         for (std::int64_t row = 0; row < out.rows(); ++row)
             std::fill_n(out.as<float>() + (row + 1) * out.dim(1) - 8, 8, 0.0f);
     },
     "model.layers.1.mlp.gated", ""},
    {"gate and up are swapped", "phi3_mqa", "linear", 2 * 4 + 2, 13,
     [](const Call& call, const KernelDef& real) {
         std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
         Tensor& weight = inputs[Linear::kWeight];
         const auto* data = static_cast<const std::byte*>(weight.data);
         std::vector<std::byte> swapped(data + weight.bytes() / 2, data + weight.bytes());
         swapped.insert(swapped.end(), data, data + weight.bytes() / 2);
         weight.data = swapped.data();
         real.run(with(call, call.attributes, inputs));
     },
     "model.layers.2.mlp.gated", ""},
    {"the residual is forgotten", "phi3_mqa", "linear", 4 + 1, 13,
     [](const Call& call, const KernelDef& real) { without_input(call, real, Linear::kResidual); },
     "model.layers.1.attention_residual", ""},
    {"the norm has no eps", "phi3_mqa", "linear", 4, 13,
     [](const Call& call, const KernelDef& real) {
         with_attributes<Linear>(call, real, [](Linear& linear) { linear.eps = 0; });
     },
     "model.layers.1.self_attn.qkv_proj", ""},
    {"the bias is forgotten", "llama_bias", "linear", 4 + 3, 9,
     [](const Call& call, const KernelDef& real) { without_input(call, real, Linear::kBias); },
     "model.layers.1.mlp_residual", ""},
    {"the window is missed", "phi3_window", "attention", 1, 2,
     [](const Call& call, const KernelDef& real) {
         with_attributes<Attention>(call, real, [](Attention& attention) { attention.visibility.window = 0; });
     },
     "model.layers.1.self_attn.attention", ""},
    {"the window is one too long", "mistral_window", "attention", 0, 2,
     [](const Call& call, const KernelDef& real) {
         with_attributes<Attention>(call, real, [](Attention& attention) { ++attention.visibility.window; });
     },
     "model.layers.0.self_attn.attention", ""},
    {"scores are scaled twice", "phi3_mqa", "attention", 2, 3,
     [](const Call& call, const KernelDef& real) {
         with_attributes<Attention>(call, real, [](Attention& attention) { attention.scale *= attention.scale; });
     },
     "model.layers.2.self_attn.attention", ""},
    {"a token sees the one behind it", "phi3_gqa", "attention", 1, 2,
     [](const Call& call, const KernelDef& real) {
         std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
         Tensor& positions = inputs[Attention::kPositions];
         std::vector<std::int32_t> later;
         for (std::int64_t i = 0; i < positions.elements(); ++i)
             later.push_back(positions.as<std::int32_t>()[i] + (i + 1 < positions.elements() ? 1 : 0));
         positions.data = later.data();
         real.run(with(call, call.attributes, inputs));
     },
     "model.layers.1.self_attn.attention", ""},
    {"two heads are swapped", "phi3_gqa", "attention", 0, 2,
     [](const Call& call, const KernelDef& real) {
         real.run(call);
         const std::int64_t heads = call.in(Attention::kQ).dim(1), d = call.in(Attention::kQ).dim(2);
         for (std::int64_t t = 0; t < call.out().dim(0); ++t) {
             float* row = call.out().as<float>() + t * heads * d;
             std::swap_ranges(row, row + d, row + (heads - 1) * d);
         }
     },
     "model.layers.0.self_attn.attention", ""},
    {"rope turns neighbours in place of halves", "phi3_mqa", "rope", 2, 6,
     [](const Call& call, const KernelDef& real) {
         // Elements 2 i and 2 i + 1 stand where i and i + d / 2 are turned, and back.
         const Tensor &x = call.in(0), &out = call.out();
         const std::int64_t d = x.dim(2);
         const auto place = [d](std::int64_t i) { return i % 2 == 0 ? i / 2 : d / 2 + i / 2; };
         std::vector<float> moved(static_cast<std::size_t>(x.elements()));
         for (std::int64_t i = 0; i < x.elements(); ++i)
             moved[static_cast<std::size_t>(i / d * d + place(i % d))] = x.as<float>()[i];
         std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
         inputs[0].data = moved.data();
         real.run(with(call, call.attributes, inputs));
         const std::vector<float> turned(out.as<float>(), out.as<float>() + out.elements());
         for (std::int64_t i = 0; i < out.elements(); ++i)
             out.as<float>()[i] = turned[static_cast<std::size_t>(i / d * d + place(i % d))];
     },
     "model.layers.1.self_attn.q_rope", "fuse_qkv_rope"},
    {"the last tile of a product of three projections that were merged is left out", "llama_gqa_tied", "linear", 4, 9,
     [](const Call& call, const KernelDef& real) {
         real.run(call);
         const Tensor& out = call.out();
         for (std::int64_t row = 0; row < out.rows(); ++row)
             std::fill_n(out.as<float>() + (row + 1) * out.dim(1) - 4, 4, 0.0f);
     },
     "model.layers.1.self_attn.v_proj", ""},
    {"a row of the embedding is the one before", "phi3_tied", "embed", 0, 1,
     [](const Call& call, const KernelDef& real) {
         std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
         std::vector<std::int32_t> tokens(inputs[0].as<std::int32_t>(),
                                          inputs[0].as<std::int32_t>() + inputs[0].elements());
         if (tokens.back() > 0) --tokens.back();
         inputs[0].data = tokens.data();
         real.run(with(call, call.attributes, inputs));
     },
     "model.embed_tokens", ""},
};

/// A copy of a golden with its config.json or its tensors changed.
class Changed {
public:
    explicit Changed(const std::string& name) {
        std::filesystem::copy(golden(name), directory_.path(), std::filesystem::copy_options::recursive);
    }
    std::filesystem::path path() const { return directory_.path(); }

    void config(std::string_view from, std::string_view to) { edit(path() / "config.json", from, to); }
    /// `change` gets the numbers of the tensor, which is saved as f32.
    void tensor(const std::string& name, const std::function<void(std::vector<float>&, std::int64_t width)>& change) {
        std::vector<OwnedTensor> all;
        {
            const Checkpoint checkpoint = Checkpoint::open(path());
            for (const std::string& one : checkpoint.names()) {
                const TensorView& view = checkpoint.at(one);
                OwnedTensor& copy = all.emplace_back(OwnedTensor{one, view.shape, {}});
                for (std::int64_t i = 0; i < static_cast<std::int64_t>(view.bytes) / info(view.dtype).block_bytes; ++i)
                    copy.values.push_back(static_cast<float>(element(view.dtype, view.data, i)));
                if (one == name) change(copy.values, view.shape.back());
            }
        }
        write_tensors(path() / "model.safetensors", all);
    }

private:
    TempDir directory_;
};

Parting found_in(const Comparison& comparison) {
    REQUIRE(comparison.first().has_value());
    return *comparison.first();
}

/// What of the step is written down is that step, and parses.
void check_replay(const Parting& parting) {
    CHECK(parting.replay.refused == "");
    const Graph again = parse(print(parting.replay.graph), "replay", find_op);
    REQUIRE(again.nodes.size() == 1);
    CHECK(again.nodes[0].op->name == parting.step_op);
    for (const Replay::Input& input : parting.replay.inputs) CHECK(again.find(input.name) >= 0);
}

}  // namespace

TEST_CASE("runs that differ in passes or device part nowhere") {
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        LanguageModelOptions unfused{.all_logits = true};
        for (const Pass& pass : all_passes()) unfused.passes.disabled.emplace(pass.name);
        LoadedModel a = load_golden(name, unfused), b = load_golden(name, exact({.all_logits = true}));
        const Comparison comparison = compared(a.model, b.model);
        if (comparison.first()) CAPTURE(comparison.first()->value.path);
        CHECK(!comparison.first());
        CHECK(comparison.values().size() > 4 * 30);
        CHECK(std::count_if(comparison.values().begin(), comparison.values().end(), [](const ComparedValue& value) {
                  return value.phase == Phase::decode && value.path == "logits";
              }) == 3);
    }
}

TEST_CASE("a kernel that is wrong is found at its value, told from all else by its reference") {
    for (const KernelFault& one : kKernelFaults) {
        CAPTURE(one.what);
        LanguageModelOptions options = exact({.all_logits = true});
        if (*one.leave_out != '\0') options.passes.disabled.emplace(one.leave_out);
        const FaultyKernels faulty(one.op, one.index, one.per_step, one.fault);
        LoadedModel a = load_golden(one.golden, options), b = load_golden(one.golden, options, 2, faulty.kernels());
        const Parting parting = found_in(compared(a.model, b.model));
        CHECK(parting.value.path == one.path);
        CHECK(parting.value.phase == Phase::prefill);
        CHECK(name(parting.fault) == name(Fault::kernel));
        CHECK(parting.cause.starts_with(fmt::format("the kernel of {} on cpu is wrong", one.op)));
        CHECK(parting.side == 'b');
        CHECK(parting.step_op == one.op);
        check_replay(parting);

        // The other way round it is the other side's.
        LoadedModel right = load_golden(one.golden, options),
                    wrong = load_golden(one.golden, options, 2, faulty.kernels());
        const Parting turned = found_in(compared(wrong.model, right.model));
        CHECK(turned.value.path == one.path);
        CHECK(turned.side == 'a');
    }
}

TEST_CASE("a page that keeps an old value is found in the step that should have written it") {
    const FaultyKernels faulty("qkv_rope_append", 1, 2, [](const Call& call, const KernelDef& real) {
        const Tensor& cache = call.out(2);
        const auto* data = static_cast<const std::byte*>(cache.data);
        const std::vector<std::byte> before(data, data + cache.bytes());
        real.run(call);
        if (call.in(0).dim(0) == 1) std::memcpy(cache.data, before.data(), before.size());
    });
    const LanguageModelOptions options = exact({.all_logits = true});
    LoadedModel a = load_golden("phi3_gqa", options), b = load_golden("phi3_gqa", options, 2, faulty.kernels());
    const Parting parting = found_in(compared(a.model, b.model));
    CHECK(parting.value.path == "model.layers.1.self_attn.v_cache.append");
    CHECK(parting.value.phase == Phase::decode);
    CHECK(parting.value.first_position == std::ssize(kPrompt));
    CHECK(parting.fault == Fault::kernel);
    check_replay(parting);
}

TEST_CASE("a model that says something else is found at its first other equation") {
    struct Case {
        const char *golden, *from, *to, *path, *cause;
    };
    for (const Case& one :
         {Case{"phi3_mqa", "\"rms_norm_eps\": 0.05", "\"rms_norm_eps\": 1e-5", "model.layers.0.input_layernorm", "eps"},
          Case{"phi3_gqa", "\"rope_theta\": 10000.0", "\"rope_theta\": 500.0", "model.layers.0.self_attn.q_rope",
               "theta"},
          Case{"phi3_window", "\"sliding_window\": 7", "\"sliding_window\": null", "attention_mask", "window"},
          Case{"llama_gqa_tied", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "model.layers.0.mlp.act_fn",
               "gelu("}}) {
        CAPTURE(one.to);
        Changed changed(one.golden);
        changed.config(one.from, one.to);
        LoadedModel a = load_golden(one.golden, exact({.all_logits = true})),
                    b(changed.path(), exact({.all_logits = true}));
        const Parting parting = found_in(compared(a.model, b.model));
        CHECK(parting.value.path == one.path);
        CHECK(name(parting.fault) == name(Fault::definition));
        CHECK(parting.cause.find(one.cause) != std::string::npos);
    }
}

TEST_CASE("weights that are not the same are found where they are read, and how they differ is said") {
    struct Case {
        const char *tensor, *path, *cause;
        void (*change)(std::vector<float>& values, std::int64_t width);
    };
    const Case cases[] = {
        {"model.layers.1.self_attn.o_proj.weight", "model.layers.1.self_attn.o_proj", "it is transposed on side b",
         [](std::vector<float>& values, std::int64_t width) {
             for (std::int64_t i = 0; i < width; ++i)
                 for (std::int64_t j = 0; j < i; ++j)
                     std::swap(values[std::size_t(i * width + j)], values[std::size_t(j * width + i)]);
         }},
        {"model.layers.2.post_attention_layernorm.weight", "model.layers.2.post_attention_layernorm",
         "on side b all of it is 1 higher",
         [](std::vector<float>& values, std::int64_t) {
             for (float& value : values) value += 1;
         }},
        {"model.layers.0.mlp.gate_up_proj.weight", "model.layers.0.mlp.gate_up_proj", "nmse ",
         [](std::vector<float>& values, std::int64_t) {
             std::rotate(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
         }},
    };
    for (const Case& one : cases) {
        CAPTURE(one.tensor);
        Changed changed("phi3_mqa");
        changed.tensor(one.tensor, one.change);
        LoadedModel a = load_golden("phi3_mqa", exact({.all_logits = true})),
                    b(changed.path(), exact({.all_logits = true}));
        const Parting parting = found_in(compared(a.model, b.model));
        CHECK(parting.value.path == one.path);
        CHECK(name(parting.fault) == name(Fault::weight));
        CHECK(parting.cause.find(fmt::format("the weight {} is not the same: {}", one.tensor, one.cause)) !=
              std::string::npos);
    }
}

namespace {

/// Not what a pass may do: the sum of the second layer loses what it adds to.
bool forget_residual(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "forget_residual");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        if (node.op != &kLinear || graph.value(node.outputs[0]).path != "model.layers.1.mlp_residual") continue;
        Node changed = node;
        changed.inputs[Linear::kResidual] = kAbsent;
        rewriter.fired(node.outputs[0], "is wrong");
        const auto id = static_cast<NodeId>(n);
        rewriter.replace({&id, 1}, changed);
    }
    return rewriter.finish();
}

/// Adds that pass to the list, once, and takes it in.
void enable_forget_residual(LanguageModelOptions& options) {
    static const bool is_added = [] {
        add_pass({"forget_residual", "r + x·Wᵀ -> x·Wᵀ", forget_residual, true}, "remove_dead_code");
        return true;
    }();
    CHECK(is_added);
    options.passes.enabled.emplace("forget_residual");
}

}  // namespace

TEST_CASE("a pass that changes a value is named") {
    LanguageModelOptions options = exact({.all_logits = true});
    LoadedModel a = load_golden("phi3_mqa", options);
    enable_forget_residual(options);
    LoadedModel b = load_golden("phi3_mqa", options);
    const Parting parting = found_in(compared(a.model, b.model));
    CHECK(parting.value.path == "model.layers.1.mlp_residual");
    CHECK(name(parting.fault) == name(Fault::pass));
    CHECK(parting.cause.starts_with("the pass forget_residual changes the value: from then on it is "));
    CHECK(parting.passes.back() == "forget_residual");
    check_replay(parting);
}

namespace {

/// Weights in blocks, which the CPU multiplies with activations that are rounded to 8 bits.
LanguageModelOptions in_blocks() {
    LanguageModelOptions options{.all_logits = true};
    options.passes.enabled.emplace("weights_to_blocks");
    return options;
}

}  // namespace

TEST_CASE(
    "rounding of activations is laid to its pass where one side alone does it, not to one that moves its result") {
    // Three projections, which merge_projections makes one.
    LanguageModelOptions exact = in_blocks();
    exact.passes.exact = true;
    LoadedModel rounds = load_golden("gemma3", in_blocks()), does_not = load_golden("gemma3", exact);
    const Parting first = found_in(compared(rounds.model, does_not.model));
    CHECK(first.value.path == "model.layers.0.self_attn.q_proj");
    CHECK(name(first.fault) == name(Fault::pass));
    CHECK(first.side == 'a');
    CHECK(first.cause.starts_with("the pass quantize_activations changes the value"));
    CHECK(first.step == "model.layers.0.self_attn.q_proj+k_proj+v_proj");
    CHECK(std::find(first.passes.begin(), first.passes.end(), "merge_projections") != first.passes.end());
    check_replay(first);

    LoadedModel without = load_golden("gemma3", exact), with = load_golden("gemma3", in_blocks());
    const Parting turned = found_in(compared(without.model, with.model));
    CHECK(turned.value.path == first.value.path);
    CHECK(turned.side == 'b');
    CHECK(turned.cause.starts_with("the pass quantize_activations changes the value"));
}

TEST_CASE("rounding of activations to bf16 is laid to its pass where one side alone does it") {
    const LanguageModelOptions options{.all_logits = true};
    LoadedModel rounds = load_golden("phi3_mqa", options), does_not = load_golden("phi3_mqa", exact(options));
    const bool can = KeptRun(rounds.model).rounds_to() == DType::bf16;
    if (!can) MESSAGE("this CPU, or VITRO_ISA, has no products of bf16: both sides are the same");
    const Comparison comparison = compared(rounds.model, does_not.model);
    CHECK(comparison.first().has_value() == can);
    if (can) CHECK(comparison.first()->cause.starts_with("the pass quantize_activations changes the value"));
}

TEST_CASE("a pass that rounds on both sides is not the cause of what another one does") {
    LanguageModelOptions options = in_blocks();
    LoadedModel a = load_golden("phi3_partial_rotary", options);
    enable_forget_residual(options);
    LoadedModel b = load_golden("phi3_partial_rotary", options);
    const Parting parting = found_in(compared(a.model, b.model));
    CHECK(parting.value.path == "model.layers.1.mlp_residual");
    CHECK(parting.cause.starts_with("the pass forget_residual changes the value"));
}

TEST_CASE("a wrong kernel of a step that the program alone has is found, and told of") {
    const FaultyKernels faulty("quantize_activations", 3, 10, [](const Call& call, const KernelDef& real) {
        real.run(call);
        call.out().as<Rounded32>()->scale *= 2;
    });
    LoadedModel a = load_golden("gemma3", in_blocks()), b = load_golden("gemma3", in_blocks(), 2, faulty.kernels());
    const Parting parting = found_in(compared(a.model, b.model));
    CHECK(parting.value.path == "model.layers.1.self_attn.q_proj");
    CHECK(name(parting.fault) == name(Fault::kernel));
    CHECK(parting.cause.starts_with("the kernel of quantize_activations on cpu is wrong"));
    CHECK(parting.step == "model.layers.1.input_layernorm.q8_32");
    CHECK(parting.side == 'b');
    check_replay(parting);
}

TEST_CASE("kernels of blocks and their references part by nothing but rounding") {
    std::vector<KernelDef> references(cpu_kernels().begin(), cpu_kernels().end());
    for (KernelDef& kernel : references) {
        kernel.run = find_op(kernel.op)->reference;
        kernel.scratch = nullptr;
    }
    int parting = 0;
    for (const std::string name : {"gemma3", "phi3_partial_rotary", "phi3_old_config", "llama_head_dim"}) {
        CAPTURE(name);
        LoadedModel a = load_golden(name, in_blocks()), b = load_golden(name, in_blocks(), 2, references);
        const Comparison comparison = compared(a.model, b.model);
        if (!comparison.first()) continue;
        // In so narrow a model one number that is rounded the other way can be seen.
        ++parting;
        CHECK(comparison.first()->fault == Fault::rounding);
        CHECK(comparison.first()->cause.find("both round activations to 8 bits") != std::string::npos);
        CHECK(comparison.first()->value.difference.nmse < 1e-3);
    }
    CHECK(parting <= 1);
}

TEST_CASE("rounding of weights to fp8 is laid to the pass that does it; a wrong preparation of them is told apart") {
    LanguageModelOptions stored{.all_logits = true}, rounded{.all_logits = true};
    rounded.passes.enabled.emplace("quantize_weights");
    LoadedModel a = load_golden("phi3_mqa", stored), b = load_golden("phi3_mqa", rounded);
    const Parting parting = found_in(compared(a.model, b.model));
    CHECK(parting.value.path == "model.layers.0.self_attn.qkv_proj");
    CHECK(name(parting.fault) == name(Fault::pass));
    CHECK(parting.cause.starts_with("the pass quantize_weights changes the value"));
    CHECK(parting.step_op == "linear");

    const FaultyKernels faulty("quantize_rows", 2, 1000, [](const Call& call, const KernelDef& real) {
        real.run(call);
        call.out(1).as<float>()[3] *= 2;
    });
    LoadedModel right = load_golden("phi3_mqa", rounded), wrong = load_golden("phi3_mqa", rounded, 2, faulty.kernels());
    const Parting prepared = found_in(compared(right.model, wrong.model));
    CHECK(name(prepared.fault) == name(Fault::preparation));
    CHECK(prepared.cause.find(" is not what the load program's graph says") != std::string::npos);
}

TEST_CASE("a coarser type is no fault until it is further off than its rounding") {
    LoadedModel a = load_golden("phi3_gqa", exact({.all_logits = true}));
    LoadedModel bf16 =
        load_golden("phi3_gqa", exact({.all_logits = true, .activation = DType::bf16, .cache = DType::bf16}));
    const Comparison rounded = compared(a.model, bf16.model);
    if (rounded.first())
        MESSAGE(rounded.first()->value.path << " nmse " << rounded.first()->value.difference.nmse << " worst "
                                            << rounded.first()->value.difference.worst);
    CHECK(!rounded.first());
    CHECK(rounded.values().back().difference.nmse > 1e-7);

    LoadedModel b = load_golden("phi3_gqa", exact({.all_logits = true})),
                fp8 = load_golden("phi3_gqa", exact({.all_logits = true, .cache = DType::f8e4m3}));
    const Parting parting = found_in(compared(b.model, fp8.model));
    CHECK(parting.value.path == "model.layers.0.self_attn.k_cache.all");
    CHECK(name(parting.fault) == name(Fault::definition));
    CHECK(parting.cause.find("f8e4m3") != std::string::npos);
}

}  // namespace vitro::test
