#include "graph/executor.h"

#include "graph/early_inputs.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace vitro {

Executor::Executor(const Program& program, std::vector<Memory> memory, std::span<const void* const> weights)
    : program_(program), memory_(std::move(memory)), weight_of_value_(program.graph.values.size()) {
    const Graph& graph = program.graph;
    VITRO_CHECK(memory_.size() == program.plan.devices.size());
    const std::vector<ValueId> weight_ids = graph.values_of(ValueKind::weight);
    VITRO_CHECK(weight_ids.size() == weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i)
        weight_of_value_[static_cast<std::size_t>(weight_ids[i])] = const_cast<void*>(weights[i]);
    for (const Node& node : graph.nodes)
        if (node.op->is_view)
            weight_of_value_[static_cast<std::size_t>(node.outputs[0])] =
                weight_of_value_[static_cast<std::size_t>(node.inputs[0])];

    make_staging();
    for (const ValueId id : graph.values_of(ValueKind::constant)) {
        const std::vector<std::byte>& data = graph.value(id).data;
        backend_of(id).upload(address(id), data.data(), data.size());
        const Place& place = program.plan.place(id);
        if (is_staged(place.device) && !data.empty())
            std::memcpy(staging_[place.device].memory.data() + place.offset, data.data(), data.size());
    }

    symbols_ = graph.bound_values();
    const auto bind = [&](ValueId id) {
        Tensor tensor = tensor_of(graph.value(id).type, symbols_);
        tensor.data = address(id);
        for (std::size_t axis = 0; axis < graph.value(id).type.shape.size(); ++axis) {
            const Dim dim = graph.value(id).type.shape[axis];
            if (dim.is_symbol()) symbol_sizes_.push_back({tensors_.size(), axis, dim.symbol});
        }
        tensors_.push_back(tensor);
    };
    for (const Step& step : program.steps) {
        const Node& node = graph.node(step.node);
        const Place& scratch = program.plan.scratch[static_cast<std::size_t>(step.node)];
        steps_.push_back({tensors_.size(),
                          node.inputs.size(),
                          node.outputs.size(),
                          {memory_[step.device].arena + scratch.offset, scratch.bytes}});
        steps_.back().fixed_inputs = fixed_inputs_of(node);
        for (const ValueId id : node.inputs) {
            if (id != kAbsent)
                bind(id);
            else
                tensors_.push_back(Tensor::none());
        }
        for (const ValueId id : node.outputs) bind(id);
    }
    find_unchecked_indices();
    for (std::size_t i = 1; i < steps_.size(); ++i)
        if (program.steps[i].device == program.steps[i - 1].device) steps_[i - 1].next_weights = weights_of(i);
    find_stretches();
}

/// The largest weight among a step's inputs; empty where it reads none.
std::span<const std::byte> Executor::weights_of(std::size_t step) const {
    std::span<const std::byte> largest;
    for (std::size_t i = 0; i < steps_[step].n_inputs; ++i) {
        const ValueId id = program_.graph.node(program_.steps[step].node).inputs[i];
        const Tensor& tensor = tensors_[steps_[step].first_tensor + i];
        const auto bytes = static_cast<std::size_t>(tensor.bytes());
        if (id != kAbsent && weight_of_value_[static_cast<std::size_t>(id)] != nullptr && bytes > largest.size())
            largest = {static_cast<const std::byte*>(tensor.data), bytes};
    }
    return largest;
}

/// Call::fixed_inputs: weights, constants and their views, and what else may be read early.
std::uint64_t Executor::fixed_inputs_of(const Node& node) const {
    std::uint64_t fixed = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(node.inputs.size(), 64); ++i) {
        const ValueId id = node.inputs[i];
        if (id == kAbsent) continue;
        const bool is_fixed = weight_of_value_[static_cast<std::size_t>(id)] != nullptr ||
                              program_.graph.value(id).kind == ValueKind::constant ||
                              may_be_read_early(program_.graph, node, i);
        fixed |= std::uint64_t{is_fixed} << i;
    }
    return fixed;
}

void Executor::make_staging() {
    for (std::size_t device = 0; device < memory_.size(); ++device) {
        Backend& backend = memory_[device].backend;
        Staging& staging = staging_.emplace_back();
        const std::size_t bytes = program_.plan.bytes(Region::io, device);
        if (backend.is_host() || bytes == 0 || program_.graph.values_of(ValueKind::input).empty()) continue;
        staging.memory = backend.allocate_staging(bytes, "inputs and results");
        staging.begin = bytes;
        for (const ValueId id : program_.graph.values_of(ValueKind::input)) {
            const Place& place = program_.plan.place(id);
            if (place.device != device) continue;
            staging.begin = std::min(staging.begin, place.offset);
            staging.end = std::max(staging.end, place.offset + place.bytes);
        }
    }
}

std::size_t Executor::staging_bytes() const {
    std::size_t bytes = 0;
    for (const Staging& staging : staging_) bytes += staging.memory.bytes();
    return bytes;
}

/// Those of constants that fit at every step are checked here, and never again.
void Executor::find_unchecked_indices() {
    const Graph& graph = program_.graph;
    std::map<NodeId, std::size_t> step_of;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) step_of[program_.steps[i].node] = i;
    for (UncheckedIndices& each : unchecked_indices(graph)) {
        const ValueInfo& value = graph.value(graph.node(each.node).inputs[each.input]);
        if (value.kind == ValueKind::constant && each.rule.is_constant()) {
            Tensor tensor = tensor_of(value.type, {});
            tensor.data = const_cast<std::byte*>(value.data.data());  // is only read
            check_indices(value.path, tensor, each.rule, {});
        } else {
            unchecked_[step_of.at(each.node)].push_back(std::move(each));
        }
    }
    for (const NodeId node : unchecked_writes(graph)) unchecked_[step_of.at(node)];
}

void Executor::check_indices_of(std::size_t step) const {
    const auto found = unchecked_.find(step);
    if (found == unchecked_.end()) return;
    const Call call = this->call(step);
    const Node& node = program_.graph.node(program_.steps[step].node);
    std::vector<std::vector<std::byte>> copies;
    const auto on_host = [&](std::size_t input) {
        Tensor tensor = call.in(input);
        if (call.backend.is_host() || tensor.elements() == 0) return tensor;
        std::vector<std::byte>& copy = copies.emplace_back(static_cast<std::size_t>(tensor.bytes()));
        call.backend.download(copy.data(), tensor.data, copy.size());
        tensor.data = copy.data();
        return tensor;
    };
    for (const UncheckedIndices& each : found->second)
        check_indices(program_.graph.value(node.inputs[each.input]).path, on_host(each.input), each.rule, symbols_);
    if (const auto rows = written_rows(node))
        check_written_rows(describe(program_.graph, node), on_host(rows->positions), on_host(rows->sequences),
                           on_host(rows->pages), call.in(rows->cache).dim(1));
}

void Executor::find_stretches() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const Step& step = program_.steps[i];
        // A step whose indices are checked stands alone: it is never part of a recording.
        const bool joins = i > 0 && step.run != nullptr && program_.steps[i - 1].run != nullptr &&
                           !unchecked_.contains(i) && !unchecked_.contains(i - 1) &&
                           stretches_.back().device == step.device;
        if (!joins) stretches_.push_back({i, i, step.device});
        stretches_.back().end = i + 1;
    }
    const auto is_long = [&](const Stretch& stretch) {
        return stretch.end - stretch.first > 1 && !memory_[stretch.device].backend.is_host();
    };
    records_ = std::any_of(stretches_.begin(), stretches_.end(), is_long);
    for (const SymbolSize& size : symbol_sizes_)
        if (used_symbols_.find(size.symbol) == std::string::npos) used_symbols_ += size.symbol;
    if (records_) recorded_.reserve(kMostRecorded);
}

void* Executor::address(ValueId id) const {
    const Place& place = program_.plan.place(id);
    const Memory& memory = memory_[place.device];
    switch (place.region) {
        case Region::weights:
            return weight_of_value_[static_cast<std::size_t>(id)];
        case Region::states:
            return memory.states + place.offset;
        case Region::io:
            return memory.io + place.offset;
        case Region::arena:
            break;
    }
    return memory.arena + place.offset;
}

void Executor::set_symbol_sizes(const SymbolValues& symbols) {
    if (symbols == symbols_) return;
    for (const auto& [symbol, bound] : program_.graph.bounds)
        VITRO_CHECK(symbols[symbol] >= 0 && symbols[symbol] <= bound, "{} = {}, bound {}", symbol, symbols[symbol],
                    bound);
    for (const SymbolSize& size : symbol_sizes_) tensors_[size.tensor].sizes[size.axis] = symbols[size.symbol];
    symbols_ = symbols;
}

void Executor::run(const SymbolValues& symbols) {
    set_symbol_sizes(symbols);
    if (timed_) {
        for (const auto& stopwatch : stopwatches_) stopwatch->start();
        began_ = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
    for (std::size_t device = 0; device < staging_.size(); ++device)
        if (stretches_.empty() || stretches_[0].device != device) begin(device);
    const Recorded* recorded = recorded_for(symbols);
    replayed_ = nullptr;
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
        Recording* recording = recorded != nullptr ? recorded->stretches[i].get() : nullptr;
        if (recording == nullptr || !recording->replay()) {
            run_stretch(i);
            continue;
        }
        replayed_ = stretches_.size() == 1 ? recording : nullptr;
    }
    for (Staging& staging : staging_) staging.in_use = true;
}

/// The recordings to replay for these values; null while there are none. They are made at the second run with the same
/// values: by then kernels are loaded, and whatever else a device does at first is done.
const Executor::Recorded* Executor::recorded_for(const SymbolValues& symbols) {
    if (!records_) return nullptr;
    SymbolValues used;
    for (const char symbol : used_symbols_) used[symbol] = symbols[symbol];
    const auto found = std::find_if(recorded_.begin(), recorded_.end(),
                                    [&](const Recorded& one) { return one.symbols == used && one.timed == timed_; });
    if (found == recorded_.end()) {
        if (recorded_.size() < kMostRecorded) recorded_.push_back({used, timed_, {}});
        return nullptr;
    }
    if (found->stretches.empty()) {
        found->stretches.resize(stretches_.size());
        for (std::size_t i = 0; i < stretches_.size(); ++i) {
            const Stretch& stretch = stretches_[i];
            if (stretch.end - stretch.first < 2) continue;
            found->stretches[i] = memory_[stretch.device].backend.record([this, i] { run_stretch(i); });
        }
    }
    return &*found;
}

void Executor::run_stretch(std::size_t index) {
    const Stretch& stretch = stretches_[index];
    if (index == 0) begin(stretch.device);
    Stopwatch* const stopwatch = timed_ ? stopwatches_[stretch.device].get() : nullptr;
    for (std::size_t i = stretch.first; i < stretch.end; ++i) {
        if (stopwatch != nullptr && begins_apart(i, stretch.first)) stopwatch->mark(2 * i);
        run_step(i);
        if (stopwatch != nullptr) stopwatch->mark(2 * i + 1);
        for (const TapMemory::Tap& tap : taps_.after(i + 1)) queue_tap(tap);
    }
}

/// Whether something may lie between a step and the end of the one before it.
bool Executor::begins_apart(std::size_t step, std::size_t first_of_stretch) const {
    return step == first_of_stretch || !taps_.after(step).empty();
}

void Executor::time_steps(bool on) {
    if (on && stopwatches_.empty())
        for (const Memory& memory : memory_) stopwatches_.push_back(memory.backend.make_stopwatch(2 * steps_.size()));
    timed_ = on;
}

std::vector<Executor::StepTime> Executor::step_times() const {
    VITRO_CHECK(timed_);
    for (std::size_t device = 0; device < memory_.size(); ++device) synchronize(device);
    std::vector<StepTime> times(steps_.size());
    for (const Stretch& stretch : stretches_)
        for (std::size_t i = stretch.first; i < stretch.end; ++i) {
            const Stopwatch& stopwatch = *stopwatches_[stretch.device];
            times[i].begin = begins_apart(i, stretch.first) ? stopwatch.seconds(2 * i) : times[i - 1].end;
            times[i].end = stopwatch.seconds(2 * i + 1);
        }
    return times;
}

void Executor::run_steps(std::span<const std::size_t> steps) {
    for (const std::size_t i : steps) run_step(i);
}

Call Executor::call(std::size_t step) const {
    const BoundStep& bound = steps_[step];
    const std::span tensors(tensors_.data() + bound.first_tensor, bound.n_inputs + bound.n_outputs);
    return {tensors.first(bound.n_inputs),
            tensors.subspan(bound.n_inputs),
            program_.graph.node(program_.steps[step].node).attributes,
            memory_[program_.steps[step].device].backend,
            bound.scratch,
            bound.next_weights,
            bound.fixed_inputs};
}

void Executor::run_step(std::size_t index) {
    const Step& step = program_.steps[index];
    const Node& node = program_.graph.node(step.node);
    Backend& backend = memory_[step.device].backend;
    const Call call = this->call(index);
    check_indices_of(index);
    try {
        if (step.run != nullptr)
            step.run(call);
        else
            copy(node.inputs[0], node.outputs[0], call);
    } catch (const Error& error) {
        if (backend.is_host()) throw;
        fail("{} on {}: {}", describe(program_.graph, node), backend.description(), error.what());
    }
}

void Executor::copy(ValueId from, ValueId to, const Call& call) const {
    const auto bytes = static_cast<std::size_t>(call.out().bytes());
    if (backend_of(from).is_host())
        backend_of(to).upload(call.out().data, call.in(0).data, bytes);
    else
        backend_of(from).download(call.out().data, call.in(0).data, bytes);
}

/// What a device does before its first step.
void Executor::begin(std::size_t device) {
    if (is_staged(device)) queue_inputs(device);
    for (const TapMemory::Tap& tap : taps_.after(0))
        if (tap.device == device) queue_tap(tap);
}

/// The symbols' bounds are uploaded, not only what is used: a recording must not depend on more than it has to.
void Executor::queue_inputs(std::size_t device) {
    const Staging& staging = staging_[device];
    if (staging.begin >= staging.end) return;
    memory_[device].backend.queue_upload(memory_[device].io + staging.begin, staging.memory.data() + staging.begin,
                                         staging.end - staging.begin);
}

void Executor::tap(std::span<const ValueId> values) {
    for (std::size_t device = 0; device < memory_.size(); ++device) synchronize(device);
    std::vector<Backend*> backends;
    for (const Memory& memory : memory_) backends.push_back(&memory.backend);
    taps_ = values.empty() ? TapMemory{} : TapMemory(program_, values, backends);
    recorded_.clear();
    replayed_ = nullptr;
}

void Executor::queue_tap(const TapMemory::Tap& tap) const {
    const auto bytes = static_cast<std::size_t>(bytes_of(program_.graph.value(tap.value).type, symbols_));
    if (bytes > 0) memory_[tap.device].backend.queue_download(taps_.address(tap), address(tap.value), bytes);
}

Tensor Executor::tapped(ValueId id) const {
    const TapMemory::Tap& tap = taps_.of(id);
    synchronize(tap.device);
    Tensor tensor = tensor_of(program_.graph.value(id).type, symbols_);
    tensor.data = taps_.address(tap);
    return tensor;
}

void Executor::write(ValueId id, const void* data, const SymbolValues& symbols) {
    const auto bytes = static_cast<std::size_t>(bytes_of(program_.graph.value(id).type, symbols));
    const Place& place = program_.plan.place(id);
    if (!is_staged(place.device) || place.region != Region::io) {
        backend_of(id).upload(address(id), data, bytes);
        return;
    }
    Staging& staging = staging_[place.device];
    if (staging.in_use) synchronize(place.device);
    staging.in_use = false;
    if (bytes > 0) std::memcpy(staging.memory.data() + place.offset, data, bytes);
}

void Executor::read(ValueId id, void* data, const SymbolValues& symbols) const {
    const auto bytes = static_cast<std::size_t>(bytes_of(program_.graph.value(id).type, symbols));
    const Place& place = program_.plan.place(id);
    if (bytes == 0) return;
    if (!is_staged(place.device) || place.region != Region::io) {
        backend_of(id).download(data, address(id), bytes);
        return;
    }
    std::byte* staged = staging_[place.device].memory.data() + place.offset;
    backend_of(id).queue_download(staged, address(id), bytes);
    synchronize(place.device);
    std::memcpy(data, staged, bytes);
}

void Executor::synchronize(std::size_t device) const {
    const Backend& backend = memory_[device].backend;
    try {
        memory_[device].backend.synchronize();
    } catch (const Error& error) {
        fail("{} on {}, in one of its steps: {}", program_.graph.name, backend.description(), error.what());
    }
}

Tensor Executor::tensor(ValueId id, const SymbolValues& symbols) const {
    Tensor tensor = tensor_of(program_.graph.value(id).type, symbols);
    tensor.data = address(id);
    return tensor;
}

Tensor Executor::tensor(std::string_view path, const SymbolValues& symbols) const {
    const ValueId id = program_.graph.find(path);
    VITRO_CHECK(id >= 0, "no value {}", path);
    return tensor(id, symbols);
}

}  // namespace vitro
