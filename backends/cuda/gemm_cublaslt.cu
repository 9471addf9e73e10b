// gemm.h by cuBLASLt. It thinks in columns: the rows of c are the columns of its D, so it multiplies b (transposed) by
// a.
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/first_that_works.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/launch.h"

#include <array>
#include <map>
#include <utility>
#include <vector>

namespace vitro::cuda {
namespace {

constexpr int kMostAlgorithms = 16;  // asked for at a shape

void check_lt(cublasStatus_t status, const char* call) {
    if (status != CUBLAS_STATUS_SUCCESS) fail("{}: {}", call, cublaslt().cublasLtGetStatusString(status));
}

cudaDataType_t data_type(DType dtype) {
    switch (dtype) {
        case DType::f32:
            return CUDA_R_32F;
        case DType::f16:
            return CUDA_R_16F;
        case DType::bf16:
            return CUDA_R_16BF;
        default:
            break;
    }
    fail("cuBLASLt: no product of {}", name(dtype));
}

/// A layout or a description that is destroyed with its owner.
template <class Handle, auto kDestroy>
struct OwnedLt {
    Handle handle = nullptr;

    OwnedLt() = default;
    OwnedLt(OwnedLt&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    OwnedLt& operator=(OwnedLt&& other) noexcept {
        std::swap(handle, other.handle);
        return *this;
    }
    ~OwnedLt() {
        if (handle != nullptr) (cublaslt().*kDestroy)(handle);
    }
};
using Layout = OwnedLt<cublasLtMatrixLayout_t, &CublasLt::cublasLtMatrixLayoutDestroy>;
using Operation = OwnedLt<cublasLtMatmulDesc_t, &CublasLt::cublasLtMatmulDescDestroy>;
using Preference = OwnedLt<cublasLtMatmulPreference_t, &CublasLt::cublasLtMatmulPreferenceDestroy>;

/// nvcc 13.0 fails at vectors of the library's own type, a struct without a name.
struct Algorithm {
    cublasLtMatmulAlgo_t value;
};

/// What one shape needs at each call.
struct Plan {
    Operation operation;
    Layout a, b, c;
    FirstThatWorks<Algorithm> algorithms;
};

using Key = std::array<std::int64_t, 10>;

}  // namespace

struct Gemm::Impl {
    const CublasLt& lt = cublaslt();
    cublasLtHandle_t handle = nullptr;
    void* workspace;
    std::size_t workspace_bytes;
    std::map<Key, Plan> plans;

    Plan make_plan(const GemmCall& call) {
        Plan plan;
        const auto layout = [&](Layout& out, DType dtype, std::int64_t rows, std::int64_t columns,
                                std::int64_t stride) {
            check_lt(lt.cublasLtMatrixLayoutCreate(&out.handle, data_type(dtype), std::uint64_t(rows),
                                                   std::uint64_t(columns), stride),
                     "cublasLtMatrixLayoutCreate");
        };
        layout(plan.b, call.input, call.k, call.n, call.b_stride);
        layout(plan.a, call.input, call.k, call.m, call.a_stride);
        layout(plan.c, call.output, call.n, call.m, call.c_stride);
        check_lt(lt.cublasLtMatmulDescCreate(&plan.operation.handle, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
        const auto set = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
            check_lt(lt.cublasLtMatmulDescSetAttribute(plan.operation.handle, attribute, &value, sizeof(value)),
                     "cublasLtMatmulDescSetAttribute");
        };
        set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
        set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
        if (call.bias != nullptr) {
            set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
            set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
            set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(call.output));
        }
        Preference preference;
        check_lt(lt.cublasLtMatmulPreferenceCreate(&preference.handle), "cublasLtMatmulPreferenceCreate");
        check_lt(lt.cublasLtMatmulPreferenceSetAttribute(preference.handle, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                         &workspace_bytes, sizeof(workspace_bytes)),
                 "cublasLtMatmulPreferenceSetAttribute");
        std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> results{};
        int found = 0;
        check_lt(lt.cublasLtMatmulAlgoGetHeuristic(handle, plan.operation.handle, plan.b.handle, plan.a.handle,
                                                   plan.c.handle, plan.c.handle, preference.handle, kMostAlgorithms,
                                                   results.data(), &found),
                 "cublasLtMatmulAlgoGetHeuristic");
        std::vector<Algorithm> algorithms;
        for (int i = 0; i < found; ++i)
            if (results[std::size_t(i)].state == CUBLAS_STATUS_SUCCESS)
                algorithms.push_back({results[std::size_t(i)].algo});
        if (algorithms.empty()) fail("cublasLtMatmulAlgoGetHeuristic: it has no algorithm");
        plan.algorithms = FirstThatWorks(std::move(algorithms));
        return plan;
    }
};

Gemm::Gemm(void* workspace, std::size_t workspace_bytes) : impl_(std::make_unique<Impl>()) {
    impl_->workspace = workspace;
    impl_->workspace_bytes = workspace_bytes;
    const cublasStatus_t status = impl_->lt.cublasLtCreate(&impl_->handle);
    if (status != CUBLAS_STATUS_SUCCESS) fail("cublasLtCreate: {}", cublaslt().cublasLtGetStatusString(status));
}

Gemm::~Gemm() { impl_->lt.cublasLtDestroy(impl_->handle); }

std::string Gemm::run(const GemmCall& given, cudaStream_t stream) try {
    const GemmCall call = given.with_strides();
    if (call.m == 0 || call.n == 0) return {};
    const Key key{std::int64_t(call.input),
                  std::int64_t(call.output),
                  call.m,
                  call.n,
                  call.k,
                  call.a_stride,
                  call.b_stride,
                  call.c_stride,
                  call.bias != nullptr,
                  call.residual != nullptr};
    auto found = impl_->plans.find(key);
    if (found == impl_->plans.end()) found = impl_->plans.emplace(key, impl_->make_plan(call)).first;
    Plan& plan = found->second;
    if (call.bias != nullptr)
        check_lt(impl_->lt.cublasLtMatmulDescSetAttribute(plan.operation.handle, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                          &call.bias, sizeof(call.bias)),
                 "cublasLtMatmulDescSetAttribute");
    const float one = 1.0f, beta = call.residual != nullptr ? 1.0f : 0.0f;
    const void* added = call.residual != nullptr ? call.residual : call.c;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    const bool done = plan.algorithms.run([&](const Algorithm& algorithm) {
        status = impl_->lt.cublasLtMatmul(impl_->handle, plan.operation.handle, &one, call.b, plan.b.handle, call.a,
                                          plan.a.handle, &beta, added, plan.c.handle, call.c, plan.c.handle,
                                          &algorithm.value, impl_->workspace, impl_->workspace_bytes, stream);
        return status == CUBLAS_STATUS_SUCCESS;
    });
    return done ? std::string{} : fmt::format("cublasLtMatmul: {}", impl_->lt.cublasLtGetStatusString(status));
} catch (const Error& error) {
    return error.what();
}

std::string Gemm::library() const {
    const std::size_t version = impl_->lt.cublasLtGetVersion();  // 130201: 13.2.1
    return fmt::format("cuBLASLt {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace vitro::cuda
