#include "ops/quantize_rows/quantize_rows.h"

#include "base/half.h"
#include "ops/common/expect.h"

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[0], 2);
    return {{DType::f8e4m3, inputs[0].shape}, {DType::f32, {inputs[0].dim(0)}}};
}

void reference(const Call& call) {
    const Tensor& x = call.in(0);
    const std::int64_t width = x.dim(1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t row = 0; row < x.dim(0); ++row) {
            const T* from = x.as<T>() + row * width;
            float largest = 0;
            for (std::int64_t i = 0; i < width; ++i) largest = std::max(largest, std::abs(float(from[i])));
            const float scale = largest > 0 ? largest / f8e4m3::kLargest : 1.0f;
            call.out(1).as<float>()[row] = scale;
            for (std::int64_t i = 0; i < width; ++i)
                call.out(0).as<f8e4m3>()[row * width + i] = f8e4m3(float(from[i]) / scale);
        }
    });
}

Cost cost(const Call& call) {
    return {call.in(0).bytes() + call.out(0).bytes() + call.out(1).bytes(), 2 * call.in(0).elements()};
}

std::vector<Example> examples(Random& random) {
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {random.integer(1, 30), random.integer(1, 90)}}}, {}, symbols},
            {{{DType::f32, {'T', random.integer(1, 9)}}}, {}, symbols}};
}

}  // namespace

const OpDef kQuantizeRows{
    .name = "quantize_rows",
    .doc =
        "out 0[n, k] = x[n, k] / out 1[n], rounded to f8e4m3; out 1[n] = max |x[n, :]| / 448, the scale of row n, or "
        "1 for a row of zeros; NaN stays NaN, and does not count in the maximum.",
    .inputs = {"x"},
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

QuantizedRows quantize_rows(At at, Value x) {
    const Value inputs[] = {x};
    const std::vector<Value> outputs = at.apply_all(kQuantizeRows, inputs, {});
    return {outputs[0], outputs[1]};
}

}  // namespace vitro
