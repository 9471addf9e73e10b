// Safetensors files. Half of the mutations keep the length in front of the header true, so that the header is read.
#include "frontend/safetensors.h"
#include "tests/fuzz/fuzz.h"

#include <cstring>

using namespace vitro;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
    std::uint64_t length = 0;
    if (size > sizeof length) std::memcpy(&length, data, sizeof length);
    if (seed % 2 == 0 || length == 0 || length > size - sizeof length || most < 2 * size)
        return LLVMFuzzerMutate(data, size, most);
    const std::string rest(reinterpret_cast<const char*>(data) + sizeof length + length, size - sizeof length - length);
    length = LLVMFuzzerMutate(data + sizeof length, length, most - sizeof length - rest.size());
    std::memcpy(data, &length, sizeof length);
    std::memcpy(data + sizeof length + length, rest.data(), rest.size());
    return sizeof length + length + rest.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::Directory directory;
    directory.write("fuzz.safetensors", {reinterpret_cast<const char*>(data), size});
    fuzz::expect_value_or_error([&] {
        const SafetensorsFile file = SafetensorsFile::open(directory.path() / "fuzz.safetensors");
        std::size_t bytes = 0;
        unsigned sum = 0;
        for (const std::string& name : file.names())
            fuzz::expect_value_or_error([&] {
                const TensorView& view = *file.find(name);
                bytes += view.bytes;
                for (std::size_t i = 0; i < view.bytes; ++i) sum += static_cast<unsigned>(view.data[i]);
                if (view.is_aligned())
                    fuzz::require(view.tensor().bytes() == static_cast<std::int64_t>(view.bytes), name);
            });
        fuzz::require(bytes <= size && sum <= 255u * size, "more bytes than the file has");
    });
    return 0;
}
