// gemm.h by cuBLASLt. It thinks in columns: the rows of c are the columns of its D, so it multiplies b (transposed) by
// a.
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/launch.h"

#include <array>
#include <map>

namespace vitro::cuda {
namespace {

void check_lt(cublasStatus_t status, const char* call, const GemmCall& gemm) {
    if (status != CUBLAS_STATUS_SUCCESS)
        fail("{}: {} for a product of m = {}, n = {}, k = {} in {} to {}", call,
             cublaslt().cublasLtGetStatusString(status), gemm.m, gemm.n, gemm.k, name(gemm.input), name(gemm.output));
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
struct Owned {
    Handle handle = nullptr;

    Owned() = default;
    Owned(Owned&& other) noexcept : handle(other.handle) { other.handle = nullptr; }
    ~Owned() {
        if (handle != nullptr) (cublaslt().*kDestroy)(handle);
    }
};
using Layout = Owned<cublasLtMatrixLayout_t, &CublasLt::cublasLtMatrixLayoutDestroy>;
using Operation = Owned<cublasLtMatmulDesc_t, &CublasLt::cublasLtMatmulDescDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, &CublasLt::cublasLtMatmulPreferenceDestroy>;

/// What one shape needs at each call.
struct Plan {
    Operation operation;
    Layout a, b, c;
    cublasLtMatmulAlgo_t algorithm{};
};

using Key = std::array<std::int64_t, 10>;

}  // namespace

struct Gemm::Impl {
    const CublasLt& lt = cublaslt();
    cublasLtHandle_t handle = nullptr;
    void* workspace;
    std::size_t workspace_bytes;
    std::map<Key, Plan> plans;

    Plan make_plan(const GemmCall& call, std::int64_t a_stride, std::int64_t b_stride, std::int64_t c_stride) {
        Plan plan;
        const auto layout = [&](Layout& out, DType dtype, std::int64_t rows, std::int64_t columns,
                                std::int64_t stride) {
            check_lt(lt.cublasLtMatrixLayoutCreate(&out.handle, data_type(dtype), std::uint64_t(rows),
                                                   std::uint64_t(columns), stride),
                     "cublasLtMatrixLayoutCreate", call);
        };
        layout(plan.b, call.input, call.k, call.n, b_stride);
        layout(plan.a, call.input, call.k, call.m, a_stride);
        layout(plan.c, call.output, call.n, call.m, c_stride);
        check_lt(lt.cublasLtMatmulDescCreate(&plan.operation.handle, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate", call);
        const auto set = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
            check_lt(lt.cublasLtMatmulDescSetAttribute(plan.operation.handle, attribute, &value, sizeof(value)),
                     "cublasLtMatmulDescSetAttribute", call);
        };
        set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
        set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
        if (call.bias != nullptr) {
            set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
            set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
            set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(call.output));
        }
        Preference preference;
        check_lt(lt.cublasLtMatmulPreferenceCreate(&preference.handle), "cublasLtMatmulPreferenceCreate", call);
        check_lt(lt.cublasLtMatmulPreferenceSetAttribute(preference.handle, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                         &workspace_bytes, sizeof(workspace_bytes)),
                 "cublasLtMatmulPreferenceSetAttribute", call);
        cublasLtMatmulHeuristicResult_t result{};
        int found = 0;
        check_lt(lt.cublasLtMatmulAlgoGetHeuristic(handle, plan.operation.handle, plan.b.handle, plan.a.handle,
                                                   plan.c.handle, plan.c.handle, preference.handle, 1, &result, &found),
                 "cublasLtMatmulAlgoGetHeuristic", call);
        if (found == 0) check_lt(CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic", call);
        plan.algorithm = result.algo;
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

void Gemm::run(const GemmCall& call, cudaStream_t stream) {
    const std::int64_t a_stride = call.a_stride != 0 ? call.a_stride : call.k;
    const std::int64_t b_stride = call.b_stride != 0 ? call.b_stride : call.k;
    const std::int64_t c_stride = call.c_stride != 0 ? call.c_stride : call.n;
    const Key key{
        std::int64_t(call.input), std::int64_t(call.output), call.m, call.n, call.k, a_stride, b_stride, c_stride,
        call.bias != nullptr,     call.residual != nullptr};
    auto found = impl_->plans.find(key);
    if (found == impl_->plans.end())
        found = impl_->plans.emplace(key, impl_->make_plan(call, a_stride, b_stride, c_stride)).first;
    const Plan& plan = found->second;
    if (call.bias != nullptr)
        check_lt(impl_->lt.cublasLtMatmulDescSetAttribute(plan.operation.handle, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                          &call.bias, sizeof(call.bias)),
                 "cublasLtMatmulDescSetAttribute", call);
    const float one = 1.0f, beta = call.residual != nullptr ? 1.0f : 0.0f;
    const void* added = call.residual != nullptr ? call.residual : call.c;
    check_lt(impl_->lt.cublasLtMatmul(impl_->handle, plan.operation.handle, &one, call.b, plan.b.handle, call.a,
                                      plan.a.handle, &beta, added, plan.c.handle, call.c, plan.c.handle,
                                      &plan.algorithm, impl_->workspace, impl_->workspace_bytes, stream),
             "cublasLtMatmul", call);
}

}  // namespace vitro::cuda
