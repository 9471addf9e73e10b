#include "bench/cpu/timing.h"

#include <algorithm>
#include <cstddef>

namespace vitro::bench {

double median(std::vector<double>& values) {
    const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace vitro::bench
