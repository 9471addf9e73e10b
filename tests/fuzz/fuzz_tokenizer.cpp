// Tokenizer files. The first byte of an input says which file of a small tokenizer the rest of it replaces.
#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/fuzz/fuzz.h"

using namespace vitro;

namespace {

constexpr const char* kFiles[] = {"tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                                  "special_tokens_map.json", "added_tokens.json"};
constexpr std::string_view kTexts[] = {"", "the cab", " a\n\n b  c", "\xc3\xa9 \xe2\x96\x81 \xff",
                                       "<s>the</s><|user|>"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    static const fuzz::Directory directory;
    for (const char* file : kFiles) std::filesystem::remove(directory.path() / file);
    const std::size_t which = data[0] % std::size(kFiles);
    if (which != 1) directory.write(kFiles[0], test::small_model());
    directory.write(kFiles[which], {reinterpret_cast<const char*>(data) + 1, size - 1});
    fuzz::expect_value_or_error([&] {
        const Tokenizer tokenizer = Tokenizer::load(directory.path(), 512);
        for (const std::string_view text : kTexts)
            fuzz::expect_value_or_error([&] {
                const auto ids = tokenizer.encode(text);
                for (const std::int32_t id : ids) fuzz::require(id >= 0 && id < 512, "an id beyond the vocabulary");
                tokenizer.decode(ids);
            });
    });
    return 0;
}
