// A minute of damaged tokenizer files; VITRO_FUZZ_SECONDS says another time. Under --asan it sees memory errors too.
#include "tests/frontend/tokenizer_fuzz.h"

#include <chrono>
#include <cstdlib>

using namespace vitro;

TEST_CASE("a minute of damaged tokenizer files ends in tokens or Errors") {
    const char* given = std::getenv("VITRO_FUZZ_SECONDS");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(given != nullptr ? std::atoi(given) : 60);
    Random random(static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
    std::size_t files = 0;
    while (std::chrono::steady_clock::now() < end) {
        const std::string bytes = test::mutated_tokenizer(random);
        CAPTURE(bytes);
        test::fuzz_tokenizer(bytes);
        ++files;
    }
    MESSAGE(files << " files");
    CHECK(files > 100);
}
