#include "frontend/gguf/gguf_convert.h"

#include "backends/cpu/host_threads.h"
#include "base/blocks.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/half.h"
#include "base/quantize.h"
#include "base/tensor.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_source.h"
#include "frontend/json.h"
#include "graph/shape.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>

namespace vitro {
namespace {

using Weight = GgufSource::Tensor;

constexpr std::int64_t kPartElements = std::int64_t{1} << 22;  // converted at a time
constexpr std::int64_t kQuantizationVersion = 2;               // of the layouts of blocks

std::size_t row_bytes_of(DType dtype, std::int64_t columns) {
    return static_cast<std::size_t>(vitro::bytes_of(TensorType{dtype, {columns}}, {}));
}

/// A tensor as rows of whole blocks.
struct Rows {
    Rows(const Weight& of, DType type, std::int64_t n, std::int64_t of_columns)
        : tensor(of),
          to(type),
          count(n),
          columns(of_columns),
          from_bytes(row_bytes_of(of.dtype, of_columns)),
          to_bytes(row_bytes_of(type, of_columns)) {}

    const Weight& tensor;
    DType to;
    std::int64_t count, columns;
    std::size_t from_bytes, to_bytes;  // of a row

    /// Of the whole. Error when that does not fit 63 bits.
    std::size_t bytes() const {
        const auto all = checked_mul(count, static_cast<std::int64_t>(to_bytes));
        if (!all) fail("{}: expected a tensor of less than 2^63 bytes of {}", quote(tensor.name), name(to));
        return static_cast<std::size_t>(*all);
    }
    /// Which row of the tensor becomes `row`: of those of a head, that i of the first half becomes 2 i, and that of
    /// the second 2 i + 1.
    std::int64_t source(std::int64_t row) const {
        if (tensor.paired_heads == 0) return row;
        const std::int64_t head_dim = count / tensor.paired_heads, in_head = row % head_dim;
        return row - in_head + in_head / 2 + in_head % 2 * (head_dim / 2);
    }
};

void to_floats(DType from, const std::byte* row, std::int64_t columns, float* out) {
    if (is_block_quantized(from)) return dequantize(from, row, columns, out);
    dispatch_float(from, [&]<class T>(T) {
        for (std::int64_t i = 0; i < columns; ++i) {
            T value;
            std::memcpy(&value, row + static_cast<std::size_t>(i) * sizeof value, sizeof value);
            out[i] = float(value);
        }
    });
}

/// Whether every finite number is so in the type, too.
bool from_floats(DType to, const float* row, std::int64_t columns, std::byte* out) {
    if (is_block_quantized(to)) {
        quantize(to, row, columns, out);
        return true;
    }
    bool fits = true;
    dispatch_float(to, [&]<class T>(T) {
        for (std::int64_t i = 0; i < columns; ++i) {
            const T value(row[i]);
            fits = fits && (std::isfinite(float(value)) || !std::isfinite(row[i]));
            std::memcpy(out + static_cast<std::size_t>(i) * sizeof value, &value, sizeof value);
        }
    });
    return fits;
}

/// out = rows [first, first + n); whether they fit the type.
bool convert(const Rows& rows, std::int64_t first, std::int64_t n, std::byte* out) {
    std::vector<float> numbers(static_cast<std::size_t>(rows.columns));
    bool fits = true;
    for (std::int64_t row = first; row < first + n; ++row, out += rows.to_bytes) {
        const std::byte* const from = rows.tensor.data + static_cast<std::size_t>(rows.source(row)) * rows.from_bytes;
        if (rows.tensor.dtype == rows.to && !rows.tensor.adds_one) {
            std::memcpy(out, from, rows.to_bytes);
            continue;
        }
        to_floats(rows.tensor.dtype, from, rows.columns, numbers.data());
        if (rows.tensor.adds_one)
            for (float& number : numbers) number += 1;
        fits = from_floats(rows.to, numbers.data(), rows.columns, out) && fits;
    }
    return fits;
}

/// As above, by several threads.
bool convert_together(const Rows& rows, std::int64_t first, std::int64_t n, int threads, std::byte* out) {
    constexpr std::int64_t kRowsAtOnce = 8;
    std::atomic<std::int64_t> next{0};
    std::atomic<bool> fits{true};
    const auto serve = [&](int) {
        for (std::int64_t at; (at = next.fetch_add(kRowsAtOnce)) < n;)
            if (!convert(rows, first + at, std::min(kRowsAtOnce, n - at),
                         out + static_cast<std::size_t>(at) * rows.to_bytes))
                fits = false;
    };
    std::vector<std::thread> others = start_threads(threads - 1, serve);
    serve(0);
    for (std::thread& thread : others) thread.join();
    return fits;
}

class Writer {
public:
    Writer(const std::filesystem::path& out, const std::function<void(std::size_t, std::size_t)>& progress,
           std::size_t all, int threads)
        : file_(out), progress_(progress), all_(all), threads_(threads) {}

    void write(std::string_view header) { file_.write(header); }

    void write(const Rows& rows) {
        const std::int64_t at_once = std::max<std::int64_t>(1, kPartElements / rows.columns);
        for (std::int64_t first = 0; first < rows.count; first += at_once) {
            const std::int64_t n = std::min(at_once, rows.count - first);
            part_.resize(static_cast<std::size_t>(n) * rows.to_bytes);
            if (!convert_together(rows, first, n, threads_, part_.data()))
                fail("{}: expected numbers that {} can say, found one that is an infinity there",
                     quote(rows.tensor.name), name(rows.to));
            file_.write(part_);
            done_ += static_cast<std::size_t>(n * rows.columns);
            if (progress_) progress_(done_, all_);
        }
        const std::size_t bytes = rows.bytes();
        file_.write(std::string(GgufHeader::padded(bytes) - bytes, '\0'));
        drop_pages({rows.tensor.data, rows.tensor.bytes});
    }

    void commit() { file_.commit(); }

private:
    OutputFile file_;
    const std::function<void(std::size_t, std::size_t)>& progress_;
    std::size_t done_ = 0, all_;
    int threads_;
    std::vector<std::byte> part_;
};

std::int64_t elements_of(const Weight& tensor) {
    return std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
}

Rows rows_of(const Weight& tensor, DType to) {
    // The q and k biases are rows, too.
    const std::int64_t columns = tensor.paired_heads > 0 && tensor.shape.size() == 1 ? 1 : tensor.shape.back();
    return {tensor, to, elements_of(tensor) / columns, columns};
}

}  // namespace

GgufConversion convert_to_gguf(const std::filesystem::path& model, const std::filesystem::path& out,
                               const GgufPreset& preset, int threads,
                               const std::function<void(std::size_t, std::size_t)>& progress) {
    GgufSource source = GgufSource::open(model);
    const bool has_head = std::any_of(source.tensors.begin(), source.tensors.end(),
                                      [](const Weight& tensor) { return tensor.name == "output.weight"; });
    const GgufMixture mixture{preset, source.layers, has_head, source.shares_many_heads};
    source.metadata.add_integer("general.file_type", preset.file_type);
    source.metadata.add_integer("general.quantization_version", kQuantizationVersion);
    GgufConversion result{.warnings = std::move(source.warnings)};
    std::vector<Rows> all;
    std::size_t elements = 0, requantized = 0;
    for (const Weight& tensor : source.tensors) {
        const bool has_numbers = is_float(tensor.dtype) || is_block_quantized(tensor.dtype);  // else it stays as it is
        const bool is_weight = has_numbers && is_gguf_weight(tensor.name, tensor.shape);
        DType to = is_weight ? gguf_weight_type(mixture, tensor.name, tensor.shape.back()) : tensor.dtype;
        if (!is_weight && is_float(to)) to = DType::f32;  // vectors: norms and biases
        if (is_block_quantized(tensor.dtype) && is_block_quantized(to) && to != tensor.dtype) ++requantized;
        const Rows& rows = all.emplace_back(rows_of(tensor, to));
        source.metadata.add_tensor(tensor.name, tensor.shape, *gguf_tensor_type(to), rows.bytes());
        elements += static_cast<std::size_t>(elements_of(tensor));
    }
    if (requantized > 0)
        result.warnings.push_back(fmt::format(
            "{} weights are rounded a second time: the file that was given has them in blocks already", requantized));
    const std::string header = source.metadata.bytes();
    Writer writer(out, progress, elements, threads);
    writer.write(header);
    for (const Rows& rows : all) writer.write(rows);
    writer.commit();
    result.tensors = all.size();
    result.bytes = header.size() + source.metadata.data_bytes();
    return result;
}

}  // namespace vitro
