#include "tests/graph/random_graph.h"

#include "backends/cpu/cpu_backend.h"
#include "graph/builder.h"
#include "graph/check_plan.h"
#include "graph/interpret.h"
#include "graph/prepared_weights.h"
#include "graph/verify.h"
#include "ops/add/add.h"
#include "ops/concat/concat.h"
#include "ops/gelu/gelu.h"
#include "ops/kv_append/kv_append.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/relu/relu.h"
#include "ops/reshape/reshape.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/silu/silu.h"
#include "ops/slice/slice.h"
#include "ops/softmax/softmax.h"
#include "ops/split/split.h"

#include <cstring>

namespace vitro::test {
namespace {

constexpr std::int64_t kTokens = 5, kSequences = 2, kPages = 4, kPageSize = 3, kPagesOfOne = 2,
                       kSlots = kPages * kPageSize;

class Maker {
public:
    Maker(Random& random, bool careless) : random_(random), careless_(careless), b_("random") {
        b_.symbol('T', kTokens);
        b_.symbol('S', kSequences);
        b_.symbol('C', kSequences * kPagesOfOne * kPageSize);
        for (int i = 0; i < pick(1, 3); ++i) wide_.push_back(b_.input(fmt::format("x{}", i), {DType::f32, {'T', 8}}));
        for (int i = 0; i < pick(0, 2); ++i) narrow_.push_back(b_.input(fmt::format("y{}", i), {DType::f32, {'T', 4}}));
        positions_ = b_.input("positions", {DType::i32, {'T'}});
        sequences_ = b_.input("sequences", {DType::i32, {'T'}});
        page_table_ = b_.input("page_table", {DType::i32, {'S', kPagesOfOne}});
        lengths_ = b_.input("lengths", {DType::i32, {'S'}});
        all_positions_ = b_.input("all_positions", {DType::i32, {kSlots}});
        all_sequences_ = b_.input("all_sequences", {DType::i32, {kSlots}});
        down_ = b_.weight("down", {DType::f32, {4, 8}});
        up_ = b_.weight("up", {DType::f32, {8, 4}});
        rows_.push_back(b_.weight("row", {DType::f32, {8}}));
        ups_.push_back(up_);
        halves_.push_back(b_.weight("half", {DType::f32, {4, 4}}));
        two_ = b_.constant(2.0f);
        const TensorType cache{DType::f32, {kPages, kPageSize, 2, 4}};
        for (int i = 0; i < pick(0, 2); ++i) {
            states_.push_back(b_.state(fmt::format("cache{}", i), cache));
            versions_.push_back({states_.back()});
        }
        if (careless && pick(0, 5) == 0) versions_.push_back({b_.input("cache_input", cache)});
        if (careless && pick(0, 9) == 0) versions_.push_back({b_.weight("cache_weight", cache)});
    }

    Graph make() {
        for (std::int64_t n = pick(3, 40); n > 0; --n) add_node();
        for (const auto* list : {&wide_, &narrow_, &heads_, &gathered_, &all_, &rows_, &ups_})
            for (const Value value : *list)
                if (pick(0, 5) == 0) b_.result(value);
        b_.result(wide_.back());
        for (std::size_t i = 0; i < states_.size(); ++i) {
            const auto& own = versions_[i];
            const auto& from = careless_ && pick(0, 9) == 0 ? any_versions() : own;
            if (from.size() > 1 && !(careless_ && pick(0, 9) == 0)) b_.update(states_[i], last(from));
            if (pick(0, 5) == 0) b_.result(last(own));
        }
        return b_.finish();
    }

private:
    std::int64_t pick(std::int64_t low, std::int64_t high) { return random_.integer(low, high); }
    /// Mostly a late one, so that the graphs are deep as well as wide.
    Value any(const std::vector<Value>& from) {
        const auto last = static_cast<std::int64_t>(from.size()) - 1;
        return from[static_cast<std::size_t>(pick(0, 2) == 0 ? pick(0, last)
                                                             : pick(std::max<std::int64_t>(0, last - 3), last))];
    }

    std::vector<Value>& any_versions() {
        return versions_[static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(versions_.size()) - 1))];
    }
    /// The version that may be written over, returned and kept: the last one. Carelessly, any.
    Value last(const std::vector<Value>& versions) {
        return careless_ && pick(0, 9) == 0 ? any(versions) : versions.back();
    }

    void add_node() {
        std::vector<Value>& same =
            *std::vector{&wide_, &wide_, &narrow_, &heads_}[static_cast<std::size_t>(pick(0, 3))];
        switch (pick(0, 22)) {
            case 0:
                if (!same.empty()) same.push_back(silu(b_, any(same)));
                return;
            case 1:
                if (!same.empty()) same.push_back(relu(b_, any(same)));
                return;
            case 2:
                if (!same.empty()) same.push_back(softmax(b_, any(same)));
                return;
            case 3:
            case 4:
                if (!same.empty()) same.push_back(add(b_, any(same), any(same)));
                return;
            case 5:
                if (!same.empty()) same.push_back(mul(b_, any(same), any(same)));
                return;
            case 6:
                if (!same.empty()) same.push_back(mul(b_, any(same), two_));
                return;
            case 7:
                wide_.push_back(add(b_, any(wide_), any(rows_)));
                return;
            case 8:
                narrow_.push_back(matmul(b_, any(wide_), down_, {.transpose_b = true}));
                return;
            case 9:
                if (!narrow_.empty()) wide_.push_back(matmul(b_, any(narrow_), any(ups_), {.transpose_b = true}));
                return;
            case 10:
                wide_.push_back(rms_norm(b_, any(wide_), any(rows_), {}));
                return;
            case 11:
                if (heads_.empty() || pick(0, 1) == 0)
                    heads_.push_back(reshape(b_, any(wide_), {'T', 2, 4}));
                else
                    wide_.push_back(reshape(b_, any(heads_), {'T', 8}));
                return;
            case 12:
                for (const Value part : split(b_, any(wide_), {1, {4, 4}})) narrow_.push_back(part);
                return;
            case 13:
                if (!narrow_.empty())
                    wide_.push_back(concat(b_, std::vector{any(narrow_), any(narrow_)}, 1));
                else
                    narrow_.push_back(slice(b_, any(wide_), {1, 2, 6}));
                return;
            case 14:
                if (!versions_.empty() && !heads_.empty()) {
                    auto& versions = any_versions();
                    versions.push_back(kv_append(b_, last(versions), any(heads_), positions_, sequences_, page_table_));
                }
                return;
            case 15:
                if (!versions_.empty() && !all_.empty()) {
                    auto& versions = any_versions();
                    versions.push_back(
                        kv_append(b_, last(versions), any(all_), all_positions_, all_sequences_, page_table_));
                }
                return;
            case 16:  // of any version: a schedule has to read it before it is written over
                if (!versions_.empty()) {
                    const Value view = reshape(b_, any(any_versions()), {kSlots, 2, 4});
                    all_.push_back(careless_ && pick(0, 4) == 0 ? view : silu(b_, view));
                }
                return;
            case 17:
                if (careless_ && !versions_.empty() && pick(0, 3) == 0) {
                    auto& versions = any_versions();
                    versions.push_back(pick(0, 1) == 0 ? silu(b_, any(versions))
                                                       : add(b_, any(versions), any(versions)));
                }
                return;
            // What depends on weights alone.
            case 18:
                rows_.push_back(pick(0, 1) == 0 ? add(b_, any(rows_), any(rows_)) : mul(b_, any(rows_), two_));
                return;
            case 19:
                halves_.push_back(pick(0, 1) == 0 ? relu(b_, any(halves_)) : add(b_, any(halves_), any(halves_)));
                return;
            case 20:
                ups_.push_back(pick(0, 1) == 0 ? concat(b_, std::vector{any(halves_), any(halves_)}, 0)
                                               : reshape(b_, reshape(b_, any(ups_), {4, 8}), {8, 4}));
                return;
            default:
                if (!versions_.empty())
                    gathered_.push_back(kv_gather(b_, any(any_versions()), page_table_, lengths_, {}));
        }
    }

    Random& random_;
    bool careless_;
    Builder b_;
    // f32 [T, 8], [T, 4], [T, 2, 4], [C, 2, 4], [kSlots, 2, 4]
    std::vector<Value> wide_, narrow_, heads_, gathered_, all_;
    std::vector<Value> states_;
    std::vector<std::vector<Value>> versions_;  // of each state, and of other caches: itself, then each next one
    Value positions_, sequences_, all_positions_, all_sequences_, page_table_, lengths_, down_, up_, two_;
    std::vector<Value> rows_, ups_, halves_;  // made of weights: f32 [8], [8, 4], [4, 4]
};

template <class T>
Bytes bytes_of_list(const std::vector<T>& list) {
    Bytes out(list.size() * sizeof(T));
    if (!list.empty()) std::memcpy(out.data(), list.data(), out.size());
    return out;
}

std::size_t size_of(const ValueInfo& value, const SymbolValues& symbols) {
    return static_cast<std::size_t>(bytes_of(value.type, symbols));
}

}  // namespace

Graph random_graph(Random& random, const RandomGraphOptions& options) {
    Graph graph = Maker(random, options.careless).make();
    const std::vector<std::string>& devices = options.devices;
    for (Node& node : graph.nodes) {
        // A cache's writers stay together by themselves; naming one device here and another there would be an error.
        if (devices.empty() || random.integer(0, 9) > 0 || !node.op->aliases.empty() || node.op == &kKvGather) continue;
        bool agrees = true;
        const std::string& device =
            devices[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(devices.size()) - 1))];
        for (const ValueId id : present(node.inputs))
            agrees &= device_of(graph, id).empty() || device_of(graph, id) == device;
        if (agrees) node.device = device;
    }
    return graph;
}

SymbolValues random_sizes(const Graph& graph, Random& random) {
    SymbolValues symbols = graph.bound_values();
    if (random.integer(0, 1) == 0) return symbols;
    symbols['T'] = random.integer(0, kTokens);
    symbols['S'] = kSequences;
    symbols['C'] = random.integer(0, graph.bounds.at('C'));
    return symbols;
}

Contents random_contents(const Graph& graph, const SymbolValues& symbols, Random& random) {
    Contents out;
    const std::int64_t tokens = symbols['T'], cached = symbols['C'], most = kPagesOfOne * kPageSize;
    std::vector<std::int32_t> positions, sequences, all_positions, all_sequences;
    for (std::int64_t t = 0; t < tokens; ++t) {
        positions.push_back(static_cast<std::int32_t>(t / kSequences));
        sequences.push_back(static_cast<std::int32_t>(t % kSequences));
    }
    for (std::int64_t slot = 0; slot < kSlots; ++slot) {
        all_positions.push_back(static_cast<std::int32_t>(slot % most));
        all_sequences.push_back(static_cast<std::int32_t>(slot / most));
    }
    out["all_positions"] = bytes_of_list(all_positions);
    out["all_sequences"] = bytes_of_list(all_sequences);
    out["positions"] = bytes_of_list(positions);
    out["sequences"] = bytes_of_list(sequences);
    out["page_table"] = bytes_of_list(std::vector<std::int32_t>{3, 0, 2, 1});
    out["lengths"] = bytes_of_list(std::vector<std::int32_t>{
        static_cast<std::int32_t>(std::min(cached, most)), static_cast<std::int32_t>(cached - std::min(cached, most))});
    for (const ValueInfo& value : graph.values) {
        if (value.kind == ValueKind::result || value.kind == ValueKind::constant || out.contains(value.path)) continue;
        std::vector<float> numbers(size_of(value, symbols) / sizeof(float));
        for (float& number : numbers) number = random.normal();
        out[value.path] = bytes_of_list(numbers);
    }
    return out;
}

Contents run_plainly(const Graph& graph, const SymbolValues& symbols, const Contents& contents) {
    CpuBackend host(1);
    const std::vector<Elements> memory =
        interpret(graph, symbols, host, [&](const ValueInfo& value, const Tensor& tensor) {
            const Bytes& bytes = contents.at(value.path);
            std::copy(bytes.begin(), bytes.end(), tensor.as<std::byte>());
        });
    Contents out;
    for (std::size_t i = 0; i < graph.results.size(); ++i)
        out[fmt::format("result {}", i)] = memory[static_cast<std::size_t>(graph.results[i])];
    for (const ValueId id : graph.values_of(ValueKind::state))
        out[graph.value(id).path] = memory[static_cast<std::size_t>(id)];
    for (const auto& [state, next] : graph.updates)
        out[graph.value(state).path] = memory[static_cast<std::size_t>(next)];
    return out;
}

Contents run_program(const Program& program, std::span<const Target> targets, const SymbolValues& symbols,
                     const Contents& contents) {
    const Graph& graph = program.graph;
    std::vector<Buffer> buffers;
    std::vector<Memory> memory;
    for (std::size_t device = 0; device < targets.size(); ++device) {
        for (const Region region : {Region::states, Region::io, Region::arena})
            buffers.push_back(targets[device].backend.allocate(program.plan.bytes(region, device), name(region)));
        memory.push_back({targets[device].backend, buffers[3 * device].data(), buffers[3 * device + 1].data(),
                          buffers[3 * device + 2].data()});
    }
    const Program* const programs[] = {&program};
    const LoadProgram load(programs, targets);
    require_sound(load.program());
    PreparedWeights weights(load, targets);
    weights.make({[&](const ValueInfo& weight) -> const void* { return contents.at(weight.source).data(); }, nullptr});
    Executor executor(program, memory, weights.addresses(program));
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const ValueKind kind = graph.values[i].kind;
        if (kind == ValueKind::input || kind == ValueKind::state)
            executor.write(static_cast<ValueId>(i), contents.at(graph.values[i].path).data(), symbols);
    }
    executor.run(symbols);
    Contents out;
    const auto read = [&](const std::string& what, ValueId id) {
        Bytes& bytes = out[what];
        bytes.resize(size_of(graph.value(id), symbols));
        executor.read(id, bytes.data(), symbols);
    };
    for (std::size_t i = 0; i < graph.results.size(); ++i) read(fmt::format("result {}", i), graph.results[i]);
    for (const ValueId id : graph.values_of(ValueKind::state)) read(graph.value(id).path, id);
    return out;
}

}  // namespace vitro::test
