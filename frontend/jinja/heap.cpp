#include "frontend/jinja/heap.h"

#include "base/error.h"

namespace vitro::jinja {

void Heap::work(std::size_t steps) {
    steps_ += steps;
    if (steps_ > limits_.max_steps) fail("expected at most {} steps, found more", limits_.max_steps);
}

void Heap::take(std::size_t bytes) {
    if (bytes > limits_.max_bytes - bytes_) {
        fail("expected values of at most {} bytes together, found more", limits_.max_bytes);
    }
    bytes_ += bytes;
}

}  // namespace vitro::jinja
