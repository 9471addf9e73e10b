// config.json and generation_config.json, and the graph that they describe.
#include "frontend/config.h"
#include "graph/verify.h"
#include "models/model.h"
#include "tests/fuzz/fuzz.h"

using namespace vitro;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\0'), text.size());  // config.json, and after a zero the other file
    directory.write("config.json", text.substr(0, end));
    directory.write("generation_config.json", end < text.size() ? text.substr(end + 1) : "{}");
    fuzz::expect_value_or_error([&] {
        const ModelConfig config = read_model_config(directory.path());
        fuzz::expect_value_or_error([&] { read_generation_config(directory.path(), config); });
        if (config.n_layers > 8) return;  // as long as it is deep
        verify(build_model(config, {.max_tokens = 4, .context = 64}));
    });
    return 0;
}
