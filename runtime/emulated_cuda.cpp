#include "runtime/emulated_cuda.h"

#include <dlfcn.h>

#include <shared_headers.h>

#include <filesystem>
#include <string_view>

namespace vitro {
namespace {

constexpr const char* kLibrary = "libvitro_cuda_emulated.so";

void* open_library() {
    if (void* linked = dlopen(kLibrary, RTLD_NOW | RTLD_NOLOAD)) return linked;  // by the program itself, as tests do
    std::error_code ignored;
    const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    for (const std::filesystem::path& path : {folder / kLibrary, folder.parent_path() / "lib" / kLibrary}) {
        if (!std::filesystem::exists(path, ignored)) continue;
        if (void* found = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
        fail("cuda-emulated: {}", dlerror());
    }
    fail("cuda-emulated: expected {} beside the program, in {}; `./dev build` in the source tree makes it", kLibrary,
         folder.string());
}

}  // namespace

const EmulatedCuda& emulated_cuda() {
    static const EmulatedCuda& loaded = []() -> const EmulatedCuda& {
        void* const found = dlsym(open_library(), "vitro_emulation");
        const auto* functions = static_cast<const EmulatedCuda*>(found);
        if (functions == nullptr || std::string_view(functions->headers) != VITRO_SHARED_HEADERS)
            fail("cuda-emulated: {} belongs to another build; `./dev build` makes it again", kLibrary);
        return *functions;
    }();
    return loaded;
}

}  // namespace vitro
