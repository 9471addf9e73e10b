// What holds for every op in the list, by its own examples.
#include "backends/cpu/cpu_backend.h"
#include "ops/add/add.h"
#include "ops/check/kernel_check.h"
#include "ops/check/op_check.h"
#include "ops/op_list.h"
#include "ops/relu/relu.h"
#include "ops/silu/silu.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace vitro::check {
namespace {

constexpr int kDraws = 3;

/// Names of the checks that complain of an op.
std::set<std::string> complaining(const OpDef& op, std::span<const KernelDef> kernels) {
    CpuBackend backend(1);
    const Target target{backend, kernels};
    std::set<std::string> out;
    for (const CheckResult& result : check_op(op, {&target, 1}, 1))
        if (!result.complaints.empty()) out.insert(result.name);
    return out;
}

TEST_CASE("every op passes every check") {
    CpuBackend three(3);
    const Target target{three, cpu_kernels()};
    for (const OpDef* op : all_ops()) {
        CAPTURE(op->name);
        const std::vector<CheckResult> results = check_op(*op, {&target, 1}, kDraws);
        CHECK(results.size() >= 4);
        for (const CheckResult& result : results) {
            CAPTURE(result.name);
            CHECK(result.cases > 0);
            for (const std::string& complaint : result.complaints) FAIL_CHECK(complaint);
        }
    }
}

TEST_CASE("an op that commutes computes the same when its inputs have changed places") {
    const auto x = test::floats({2, 3}, {1, -2, 0.5f, 7, 1e-3f, -9}), y = test::floats({2, 3}, {3, 5, -1, 0.25f, 2, 8});
    std::set<std::string_view> names;
    for (const OpDef* op : all_ops()) {
        if (!op->commutes) continue;
        CAPTURE(op->name);
        names.insert(op->name);
        for (const int threads : {0, 1})
            CHECK(test::run_op(*op, {x, y}, {}, threads)[0].floats() ==
                  test::run_op(*op, {y, x}, {}, threads)[0].floats());
    }
    for (const std::string_view name : {"add", "mul"}) CHECK(names.contains(name) == (find_op(name) != nullptr));
    CHECK(names.size() <= 2);
}

TEST_CASE("a wrong kernel is noticed") {
    const auto complaints = [](void (*run)(const Call& call)) {
        CpuBackend backend(1);
        return check_kernel(kAdd, {.op = "add", .run = run}, backend, 1).complaints;
    };
    CHECK(complaints(kAdd.reference).empty());
    CHECK(!complaints([](const Call&) {}).empty());
    CHECK(!complaints([](const Call& call) {
               kAdd.reference(call);
               call.out().as<std::byte>()[call.out().bytes()] = std::byte{0};
           }).empty());
    CHECK(!complaints([](const Call& call) {
               kAdd.reference(call);
               if (call.in(0).bytes() > 0) call.in(0).as<std::byte>()[0] ^= std::byte{1};
           }).empty());
    CHECK(!complaints([](const Call&) { fail("it does not work"); }).empty());
}

TEST_CASE("a wrong definition is noticed by the check that is for it") {
    const KernelDef kernel{.op = "relu", .run = kRelu.reference};
    const std::span<const KernelDef> kernels(&kernel, 1);
    CHECK(complaining(kRelu, kernels).empty());
    const std::set<std::string> not_in_the_list = {"text", "words"};  // a copy is not the op of that name
    const auto also = [&](const char* name) {
        std::set<std::string> names = not_in_the_list;
        names.insert(name);
        return names;
    };
    OpDef op = kRelu;
    CHECK(complaining(op, kernels) == not_in_the_list);
    op.cost = [](const Call&) { return Cost{0, 0}; };
    CHECK(complaining(op, kernels) == also("cost"));
    op = kRelu;
    op.infer = [](std::span<const TensorType> inputs, const Attributes& attributes) {
        if (is_stored_float(inputs[0].dtype)) return kRelu.infer(inputs, attributes);
        return std::vector<TensorType>{{DType::f32, inputs[0].shape}};
    };
    CHECK(complaining(op, kernels) == also("refusals"));
    op = kRelu;
    op.decompose = [](Builder& builder, std::span<const Value> inputs, const Attributes&) {
        return std::vector<Value>{relu(builder, relu(builder, inputs[0]))};
    };
    CHECK(complaining(op, kernels) == not_in_the_list);
    op.decompose = [](Builder& builder, std::span<const Value> inputs, const Attributes&) {
        return std::vector<Value>{silu(builder, inputs[0])};
    };
    CHECK(complaining(op, kernels) == also("decomposition"));
}

TEST_CASE("the list is sorted by unique names") {
    std::string_view last;
    for (const OpDef* op : all_ops()) {
        CHECK_MESSAGE(last < op->name, op->name);
        last = op->name;
        CHECK(find_op(op->name) == op);
    }
    CHECK(find_op("no_such_op") == nullptr);
}

TEST_CASE("every op has a CPU kernel but views and what is for other devices; every kernel has an op") {
    const std::set<std::string_view> without = {"qkv_projection", "copy"};  // decomposed; between devices
    const auto has_kernel = [](const OpDef& op) {
        return std::any_of(cpu_kernels().begin(), cpu_kernels().end(),
                           [&](const KernelDef& kernel) { return kernel.op == op.name; });
    };
    for (const OpDef* op : all_ops())
        CHECK_MESSAGE(has_kernel(*op) != (op->is_view || without.contains(op->name)), op->name);
    for (const KernelDef& kernel : cpu_kernels()) CHECK_MESSAGE(find_op(kernel.op) != nullptr, kernel.op);
}

}  // namespace
}  // namespace vitro::check
