#include "backends/emulation/failures.h"

#include "base/error.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <vector>

namespace vitro::emulation {
namespace {

class Failures {
public:
    static Failures& instance() {
        static Failures failures;
        return failures;
    }

    void plant(const PlantedFailure& failure) {
        const std::lock_guard lock(mutex_);
        planted_.push_back(failure);
        any_ = true;
    }

    int clear() {
        const std::lock_guard lock(mutex_);
        planted_.clear();
        stuck_ = cudaSuccess;
        any_ = false;
        return std::exchange(failed_, 0);
    }

    cudaError_t of(std::string_view call) {
        if (!any_) return cudaSuccess;
        const std::lock_guard lock(mutex_);
        cudaError_t error = stuck_;
        for (PlantedFailure& planted : planted_) {
            if (error != cudaSuccess || (!planted.call.empty() && planted.call != call)) continue;
            if (planted.skip-- > 0 || planted.times-- <= 0) continue;
            error = planted.error;
            if (planted.sticky) stuck_ = error;
        }
        failed_ += error != cudaSuccess;
        return error;
    }

private:
    Failures() {
        const char* const given = std::getenv("VITRO_EMULATION_FAIL");
        if (given == nullptr) return;
        const std::string_view text = given;
        const std::size_t colon = text.rfind(':');
        PlantedFailure failure{
            .call = std::string(text.substr(0, colon)), .error = cudaErrorIllegalAddress, .sticky = true};
        const std::string_view skip = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
        const auto [end, error] = std::from_chars(skip.data(), skip.data() + skip.size(), failure.skip);
        if (error != std::errc{} || end != skip.data() + skip.size() || failure.skip < 0)
            fail("VITRO_EMULATION_FAIL: expected CALL:SKIP, such as cudaStreamSynchronize:10, found '{}'", text);
        planted_.push_back(failure);
        any_ = true;
    }

    std::mutex mutex_;
    std::vector<PlantedFailure> planted_;
    cudaError_t stuck_ = cudaSuccess;
    int failed_ = 0;
    std::atomic<bool> any_{false};
};

std::atomic<std::size_t> handles{0};

}  // namespace

void plant_failure(const PlantedFailure& failure) { Failures::instance().plant(failure); }
int clear_failures() { return Failures::instance().clear(); }
cudaError_t planted_failure(const char* call) { return Failures::instance().of(call); }

std::size_t live_handles() { return handles; }
void count_handle(int difference) { handles += static_cast<std::size_t>(difference); }

}  // namespace vitro::emulation
