// GGUF files: the header, every tensor's bytes, and the configuration and tokenizer in the metadata.
#include "frontend/checkpoint.h"
#include "frontend/config.h"
#include "frontend/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

using namespace vitro;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    directory.write("fuzz.gguf", {reinterpret_cast<const char*>(data), size});
    const std::filesystem::path path = directory.path() / "fuzz.gguf";
    fuzz::expect_value_or_error([&] {
        const GgufFile file = GgufFile::open(path);
        std::size_t bytes = 0;
        unsigned sum = 0;
        for (const std::string& name : file.names()) {
            const TensorView& view = file.entry(name)->view;
            bytes += view.bytes;
            for (std::size_t i = 0; i < view.bytes; ++i) sum += static_cast<unsigned>(view.data[i]);
        }
        fuzz::require(bytes <= size && sum <= 255u * size, "more bytes than the file has");
        if (!is_gguf(path)) return;
        fuzz::expect_value_or_error([&] { read_generation_config(path, read_model_config(path)); });
        fuzz::expect_value_or_error([&] { Checkpoint::open(path); });
        fuzz::expect_value_or_error([&] { Tokenizer::load(path).encode("the cab"); });
    });
    return 0;
}
