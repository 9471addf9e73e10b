#include "ops/common/elementwise.h"

#include "base/half.h"
#include "ops/common/expect.h"

namespace vitro {

std::vector<TensorType> infer_elementwise(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[0]);
    return {inputs[0]};
}

std::vector<Shape> example_shapes() { return {{'T', 67}, {1}, {8}, {3, 'T', 5, 19}, {2, 9000}}; }

SymbolValues example_symbols(Random& random) {
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 40);
    return symbols;
}

std::vector<Example> elementwise_examples(Random& random) {
    std::vector<Example> examples;
    for (Shape& shape : example_shapes())
        examples.push_back({{{DType::f32, std::move(shape)}}, {}, example_symbols(random)});
    return examples;
}

Cost elementwise_cost(const Call& call, std::int64_t flops) {
    Cost cost;
    for (const Tensor& tensor : call.inputs) cost.bytes += tensor.bytes();
    for (const Tensor& tensor : call.outputs) cost.bytes += tensor.bytes();
    cost.flops = flops * call.out().elements();
    return cost;
}

void elementwise_reference(const Call& call, const std::function<double(double)>& f) {
    const Tensor &x = call.in(0), &out = call.out();
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < x.elements(); ++i)
            out.as<T>()[i] = T(static_cast<float>(f(static_cast<double>(float(x.as<T>()[i])))));
    });
}

}  // namespace vitro
