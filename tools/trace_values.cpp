#include "tools/trace_values.h"

#include "base/json_text.h"
#include "graph/elements.h"
#include "graph/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vitro {
namespace {

constexpr std::int64_t kBins = 24;
constexpr std::int64_t kMostElements = 1 << 14;  // of a value whose elements are all kept
constexpr std::int64_t kStart = 64;              // elements of the start of a row

double element_of(const Tensor& tensor, std::int64_t index) {
    return element(tensor.dtype, static_cast<const std::byte*>(tensor.data), index);
}

std::string base64(const std::vector<float>& floats) {
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<unsigned char> bytes(floats.size() * sizeof(float));
    if (!bytes.empty()) std::memcpy(bytes.data(), floats.data(), bytes.size());
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? bytes[i + k] : 0u);
        for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63u];
    }
    return out;
}

/// How many finite elements lie in each part of [min, max], of each index along the axis.
std::vector<std::vector<std::int64_t>> histograms(const Tensor& tensor, int axis, const std::vector<Statistics>& all) {
    std::vector<std::vector<std::int64_t>> out(all.size(), std::vector<std::int64_t>(kBins));
    const std::int64_t inner = axis < 0 ? tensor.elements() : tensor.count(axis + 1, tensor.rank);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        const double x = element_of(tensor, i);
        if (!std::isfinite(x)) continue;
        const auto at = axis < 0 ? std::size_t{0} : static_cast<std::size_t>(i / inner % tensor.dim(axis));
        const double width = all[at].max - all[at].min;
        const auto bin = width > 0 ? static_cast<std::int64_t>((x - all[at].min) / width * kBins) : 0;
        ++out[at][static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, kBins - 1))];
    }
    return out;
}

}  // namespace

int token_axis(const TensorType& type) {
    for (int axis = 0; axis < type.rank(); ++axis)
        if (type.shape[static_cast<std::size_t>(axis)] == Dim('T')) return axis;
    return -1;
}

bool TraceValues::Budget::take(std::int64_t elements) {
    const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(float) / 3 * 4;
    if (bytes > left) return false;
    left -= bytes;
    return true;
}

void TraceValues::keep(Json& step, const SeenValue& seen, int axis) {
    const Tensor& tensor = seen.tensor;
    const bool is_of_heads = tensor.rank == 3 && axis >= 0, is_map = is_of_heads && seen.type.shape[2] == Dim('C');
    std::int64_t rows = 1, columns = tensor.elements(), row = columns;
    if (columns > kMostElements || !(is_map ? maps_ : is_of_heads ? vectors_ : others_).take(columns)) {
        if (tensor.rank != 2 || axis != 0 || tensor.dim(1) <= kStart || !starts_.take(tensor.dim(0) * kStart)) return;
        rows = tensor.dim(0), columns = kStart, row = tensor.dim(1);
        step["columns"] = kStart;
    }
    std::vector<float> floats;
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j)
            floats.push_back(static_cast<float>(element_of(tensor, i * row + j)));
    step["data"] = base64(floats);
}

void TraceValues::add(const SeenValue& seen, const Graph& source) {
    const Tensor& tensor = seen.tensor;
    const int axis = token_axis(seen.type);
    const std::vector<Statistics> all = statistics(tensor, axis);
    Json step{{"shape", Json::array()},   {"by_token", axis >= 0},  {"in", seen.in},
              {"copied", seen.is_copied}, {"stats", Json::array()}, {"hist", histograms(tensor, axis, all)}};
    for (int i = 0; i < tensor.rank; ++i) step["shape"].push_back(tensor.dim(i));
    for (const Statistics& s : all)
        step["stats"].push_back({json_number<Json>(s.min), json_number<Json>(s.max), json_number<Json>(s.mean),
                                 json_number<Json>(s.rms), s.nan, s.plus_infinity, s.minus_infinity});
    if (source.find(seen.path) >= 0) keep(step, seen, axis);
    Json& value = values_[seen.path];
    if (value.is_null()) value = {{"type", to_string(seen.type)}, {"steps", Json::object()}};
    value["steps"][std::to_string(step_)] = std::move(step);
}

}  // namespace vitro
