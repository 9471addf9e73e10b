// vitro ops --cuda-report.
#include "backends/cuda/emulation/options.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace vitro::test;
using Json = nlohmann::json;

namespace {

/// False, said aloud, where this build cannot count.
bool counts_accesses() {
    if (!vitro::emulation::accesses_are_checked())
        MESSAGE("skipped: kernels have no access hooks in sanitizer builds, the release build checks this");
    return vitro::emulation::accesses_are_checked();
}

}  // namespace

TEST_CASE("ops --cuda-report tells what a kernel's launches ask of memory, next to the op's cost") {
    if (!counts_accesses()) return;
    const ProcessResult result = run_vitro({"ops", "add", "--cuda-report", "--json"});
    check_success(result);
    const Json report = Json::parse(result.out);
    REQUIRE(report.size() == 2);
    for (const Json& call : report) {
        CHECK(call.at("op") == "add");
        const std::int64_t tokens = call.at("call").get<std::string>().ends_with("T=4") ? 4 : 64;
        CHECK(call.at("cost_bytes") == 3 * tokens * 3072 * 2);
        CHECK(call.at("moved_bytes") == call.at("cost_bytes"));
        REQUIRE(call.at("kernels").size() == 1);
        const Json& kernel = call.at("kernels")[0];
        CHECK(kernel.at("kernel") == "add");
        CHECK(kernel.at("launches") == 1);
        CHECK(kernel.at("global_requests") == 3 * tokens * 3072 / (32 * 8));  // 8 elements a lane
        CHECK(kernel.at("bytes") == call.at("cost_bytes"));
        CHECK(kernel.at("sectors") == kernel.at("bytes").get<std::int64_t>() / 32);
        CHECK(kernel.at("efficiency") == 1.0);
        CHECK(kernel.at("bank_conflicts") == 0);
    }
}

TEST_CASE("ops --cuda-report as a table") {
    if (!counts_accesses()) return;
    const ProcessResult result = run_vitro({"ops", "transpose", "--cuda-report"});
    check_success(result);
    for (const char* part : {"transpose(bf16 [T, 3072]) permutation=[1, 0] C=64 R=1 S=1 T=64", "cost: 786432 bytes",
                             "moved: 1.00 times the bytes", "efficiency", "conflicts", "100.0%"})
        CHECK_MESSAGE(result.out.find(part) != std::string::npos, part, " in ", result.out);
}

TEST_CASE("ops --cuda-report of an op without a kernel is an error") {
    if (!counts_accesses()) return;
    check_error(run_vitro({"ops", "reshape", "--cuda-report"}), {"reshape has no CUDA kernel"});
}
