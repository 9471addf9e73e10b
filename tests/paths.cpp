#include "tests/paths.h"

namespace vitro::test {

std::filesystem::path source_path(std::string_view relative) {
    const std::filesystem::path root = VITRO_SOURCE_DIR;
    return relative.empty() ? root : root / relative;
}

std::string vitro_binary() { return VITRO_BINARY; }

}  // namespace vitro::test
