#include "backends/cuda/cublaslt.h"

#include "base/error.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace vitro::cuda {
namespace {

void* open_library() {
    const std::string file = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
    std::vector<std::string> paths;
    if (const char* named = std::getenv("VITRO_CUBLASLT")) {
        paths.emplace_back(named);
    } else {
        paths.push_back(file);
        for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
            if (const char* root = std::getenv(variable)) paths.push_back(std::string(root) + "/lib64/" + file);
        paths.push_back("/usr/local/cuda/lib64/" + file);
    }
    std::string looked;
    for (const std::string& path : paths) {
        if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        looked += std::string("\n  ") + dlerror();
    }
    fail("cuBLASLt is missing: expected {} of CUDA {}, by way of LD_LIBRARY_PATH or named by VITRO_CUBLASLT, found:{}",
         file, CUBLAS_VER_MAJOR, looked);
}

CublasLt load() {
    void* library = open_library();
    CublasLt out{};
    const auto set = [&](auto& function, const char* name) {
        void* address = dlsym(library, name);
        if (address == nullptr) fail("cuBLASLt: the library has no {}", name);
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
    };
    set(out.cublasLtCreate, "cublasLtCreate");
    set(out.cublasLtDestroy, "cublasLtDestroy");
    set(out.cublasLtGetStatusString, "cublasLtGetStatusString");
    set(out.cublasLtGetVersion, "cublasLtGetVersion");
    set(out.cublasLtMatmul, "cublasLtMatmul");
    set(out.cublasLtMatmulAlgoGetHeuristic, "cublasLtMatmulAlgoGetHeuristic");
    set(out.cublasLtMatmulDescCreate, "cublasLtMatmulDescCreate");
    set(out.cublasLtMatmulDescDestroy, "cublasLtMatmulDescDestroy");
    set(out.cublasLtMatmulDescSetAttribute, "cublasLtMatmulDescSetAttribute");
    set(out.cublasLtMatmulPreferenceCreate, "cublasLtMatmulPreferenceCreate");
    set(out.cublasLtMatmulPreferenceDestroy, "cublasLtMatmulPreferenceDestroy");
    set(out.cublasLtMatmulPreferenceSetAttribute, "cublasLtMatmulPreferenceSetAttribute");
    set(out.cublasLtMatrixLayoutCreate, "cublasLtMatrixLayoutCreate");
    set(out.cublasLtMatrixLayoutDestroy, "cublasLtMatrixLayoutDestroy");
    return out;
}

}  // namespace

const CublasLt& cublaslt() {
    static const CublasLt library = load();
    return library;
}

}  // namespace vitro::cuda
