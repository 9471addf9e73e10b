#include "graph/copy.h"

#include <cstring>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) { return {inputs[0]}; }

void reference(const Call& call) {
    const auto bytes = static_cast<std::size_t>(call.out().bytes());
    if (bytes > 0) std::memcpy(call.out().data, call.in(0).data, bytes);
}

std::vector<Example> examples(Random& random) {
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', random.integer(1, 9)}}}, {}, symbols}, {{{DType::i32, {'T'}}}, {}, symbols}};
}

}  // namespace

const OpDef kCopy{
    .name = "copy",
    .doc = "out = x, in the memory of the node's device: inserted where a value crosses from one device to another.",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .reference = reference,
    .examples = examples,
};

}  // namespace vitro
