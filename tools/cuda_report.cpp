// vitro ops --cuda-report: sectors and bank conflicts of CUDA kernels, counted by the emulation.
#include "tools/cuda_report.h"

#include "base/json_text.h"
#include "ops/check/model_calls.h"
#include "ops/check/op_case.h"
#include "ops/op_list.h"
#include "runtime/emulated_cuda.h"
#include "tools/output.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace vitro {
namespace {

using emulation::AccessCounts;

constexpr int kMultiprocessors = 132;  // an H200's: attention is split among them

/// One call and the kernels that it launched.
struct CallReport {
    std::string call;
    Cost cost;
    std::vector<AccessCounts> kernels;

    std::int64_t moved_bytes() const {
        std::int64_t sectors = 0;
        for (const AccessCounts& kernel : kernels) sectors += kernel.sectors;
        return 32 * sectors;
    }
};

std::vector<CallReport> report(const OpDef& op, const KernelDef& kernel, Backend& backend) {
    std::vector<Example> calls = check::model_calls(op.name);
    if (calls.empty()) {
        Random random(1);
        calls = op.examples(random);
    }
    std::vector<CallReport> out;
    for (const Example& example : calls) {
        check::OpCase call(op, example, example.inputs, 1);
        if (!call.refused_by(kernel).empty()) continue;
        emulated_cuda().take_access_counts();
        emulated_cuda().options().count_accesses = true;
        call.kernel(kernel, backend, 0);
        emulated_cuda().options().count_accesses = false;
        out.push_back({call.describe(), call.cost(), emulated_cuda().take_access_counts()});
    }
    return out;
}

nlohmann::ordered_json to_json(const OpDef& op, const CallReport& call) {
    nlohmann::ordered_json kernels = nlohmann::json::array();
    for (const AccessCounts& kernel : call.kernels)
        kernels.push_back({{"kernel", kernel.kernel},
                           {"launches", kernel.launches},
                           {"grid", kernel.size.grid},
                           {"block", kernel.size.block},
                           {"static_shared", kernel.size.static_shared},
                           {"dynamic_shared", kernel.size.dynamic_shared},
                           {"programmatic", kernel.size.programmatic},
                           {"global_requests", kernel.global_requests},
                           {"bytes", kernel.bytes},
                           {"sectors", kernel.sectors},
                           {"efficiency", kernel.efficiency()},
                           {"shared_requests", kernel.shared_requests},
                           {"bank_conflicts", kernel.bank_conflicts}});
    return {{"op", op.name},
            {"call", call.call},
            {"cost_bytes", call.cost.bytes},
            {"cost_flops", call.cost.flops},
            {"moved_bytes", call.moved_bytes()},
            {"kernels", kernels}};
}

void print(const CallReport& call) {
    const double times =
        static_cast<double>(call.moved_bytes()) / static_cast<double>(std::max<std::int64_t>(1, call.cost.bytes));
    print_out("{}\n  cost: {} bytes, {} flops; moved: {:.2f} times the bytes\n", call.call, call.cost.bytes,
              call.cost.flops, times);
    print_out("  {:<18} {:>8} {:>12} {:>7} {:>14} {:>8} {:>10} {:>8} {:>10} {:>8} {:>9}\n", "kernel", "launches",
              "grid", "threads", "shared bytes", "requests", "bytes", "sectors", "efficiency", "shared", "conflicts");
    for (const AccessCounts& kernel : call.kernels) {
        const auto& [grid, block, programmatic, static_shared, dynamic_shared] = kernel.size;
        print_out("  {:<18} {:>8} {:>12} {:>7} {:>14} {:>8} {:>10} {:>8} {:>9.1f}% {:>8} {:>9}\n", kernel.kernel,
                  kernel.launches, fmt::format("{}x{}x{}", grid[0], grid[1], grid[2]), block,
                  fmt::format("{}+{}", static_shared, dynamic_shared), kernel.global_requests, kernel.bytes,
                  kernel.sectors, 100 * kernel.efficiency(), kernel.shared_requests, kernel.bank_conflicts);
    }
    print_out("\n");
}

}  // namespace

void print_cuda_report(std::span<const OpDef* const> ops, bool json) {
    if (!emulated_cuda().accesses_are_checked())
        fail("--cuda-report: a build under a sanitizer has no hooks to count with");
    emulated_cuda().options().multiprocessors = kMultiprocessors;
    const std::unique_ptr<Backend> backend = emulated_cuda().make_backend(0);
    nlohmann::ordered_json all = nlohmann::json::array();
    for (const OpDef* op : ops) {
        const KernelDef* kernel = find_kernel(emulated_cuda().kernels(), op->name);
        if (kernel == nullptr) kernel = find_kernel(added_gpu_kernels(backend->name()), op->name);
        if (kernel == nullptr) {
            if (ops.size() == 1) fail("--cuda-report: {} has no CUDA kernel", op->name);
            continue;
        }
        for (const CallReport& call : report(*op, *kernel, *backend))
            json ? all.push_back(to_json(*op, call)) : print(call);
    }
    if (json) print_out("{}\n", json_text(all, 2));
}

}  // namespace vitro
