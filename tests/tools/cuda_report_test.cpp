// vitro ops --cuda-report.
#include "backends/emulation/options.h"
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
    REQUIRE(report.size() == 3);
    for (const Json& call : report) {
        CHECK(call.at("op") == "add");
        const std::string name = call.at("call");
        const std::int64_t tokens = std::stoi(name.substr(name.rfind("T=") + 2));
        CHECK(call.at("cost_bytes") == 3 * tokens * 3072 * 2);
        CHECK(call.at("moved_bytes") == call.at("cost_bytes"));
        REQUIRE(call.at("kernels").size() == 1);
        const Json& kernel = call.at("kernels")[0];
        CHECK(kernel.at("kernel") == "add");
        CHECK(kernel.at("launches") == 1);
        CHECK(kernel.at("grid") == Json{(tokens * 3072 / 8 + 127) / 128, 1, 1});  // 8 elements a thread
        CHECK(kernel.at("block") == 128);
        CHECK(kernel.at("static_shared") == 0);
        CHECK(kernel.at("dynamic_shared") == 0);
        CHECK(kernel.at("programmatic") == false);
        CHECK(kernel.at("global_requests") == 3 * tokens * 3072 / (32 * 8));  // 8 elements a lane
        CHECK(kernel.at("bytes") == call.at("cost_bytes"));
        CHECK(kernel.at("sectors") == kernel.at("bytes").get<std::int64_t>() / 32);
        CHECK(kernel.at("efficiency") == 1.0);
        CHECK(kernel.at("bank_conflicts") == 0);
    }
}

TEST_CASE("ops --cuda-report has every linear of a layer, as a decode step and a prefill launch them") {
    if (!counts_accesses()) return;
    const Json report = Json::parse(out_of({"ops", "linear", "--cuda-report", "--json"}));
    REQUIRE(report.size() == 5 * 4);
    const Json& alone = report[1];  // gate and up of one token, with the norm: 8 rows of each a unit
    REQUIRE(alone.at("kernels").size() == 1);
    const Json& kernel = alone.at("kernels")[0];
    CHECK(kernel.at("grid") == Json{256 / 8, 1, 1});
    CHECK(kernel.at("block") == 16 * 32);
    CHECK(kernel.at("static_shared") == 0);
    // x in two halves and the norm's weight; of 16 warps and 8 tokens the sums, 20 floats apart, and squares; a number.
    CHECK(kernel.at("dynamic_shared") == 3 * 3072 * 2 + 16 * 8 * (20 + 1) * 4 + 4);
    const Json& some = report[13];  // 32 tokens: 32 rows of gate and up a tile, whose sum two blocks share at least
    REQUIRE(some.at("kernels").size() == 1);
    CHECK(some.at("kernels")[0].at("grid")[0] == 256 / 32);
    CHECK(some.at("kernels")[0].at("grid")[1] > 1);
    const Json& many = report[17];  // 80 tokens: the norm, a product that is not counted, then activation and gate
    REQUIRE(many.at("kernels").size() == 2);
    CHECK(many.at("kernels")[0].at("kernel") == "rms_norm");
    CHECK(many.at("kernels")[1].at("kernel") == "finish_linear");
    CHECK(many.at("kernels")[1].at("grid")[0] == 80);
}

TEST_CASE("ops --cuda-report splits the attention of one token as for an H200") {
    if (!counts_accesses()) return;
    const Json report = Json::parse(out_of({"ops", "attention", "--cuda-report", "--json"}));
    const Json& decode = report[0].at("kernels")[0];
    CHECK(decode.at("kernel") == "attention_decode");
    CHECK(decode.at("grid") == Json{8, 32, 1});  // 2 blocks on each of 132 multiprocessors, among 32 heads
}

TEST_CASE("the kernels of a decode step read whole sectors and meet no bank of shared memory twice") {
    if (!counts_accesses()) return;
    for (const char* op : {"linear", "qkv_projection", "attention"})
        for (const Json& call : Json::parse(out_of({"ops", op, "--cuda-report", "--json"})))
            for (const Json& kernel : call.at("kernels")) {
                if (kernel.at("kernel") != op && kernel.at("kernel") != "attention_decode") continue;
                CAPTURE(call.at("call").get<std::string>());
                CHECK(kernel.at("bank_conflicts") == 0);
                CHECK(kernel.at("efficiency") > 0.9);
            }
}

TEST_CASE("ops --cuda-report as a table") {
    if (!counts_accesses()) return;
    const ProcessResult result = run_vitro({"ops", "transpose", "--cuda-report"});
    check_success(result);
    for (const char* part :
         {"transpose(bf16 [T, 3072]) permutation=[1, 0] C=64 R=1 S=1 T=64", "cost: 786432 bytes",
          "moved: 1.00 times the bytes", "threads", "shared bytes", "efficiency", "conflicts", "100.0%"})
        CHECK_MESSAGE(result.out.find(part) != std::string::npos, part, " in ", result.out);
}

TEST_CASE("ops --cuda-report of an op without a kernel is an error") {
    if (!counts_accesses()) return;
    check_error(run_vitro({"ops", "reshape", "--cuda-report"}), {"reshape has no CUDA kernel"});
}
