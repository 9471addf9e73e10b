// Opens the HTML dump in a real browser, without a window.
#include "tests/tools/phi3_mini.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::test {
namespace {

/// The page's elements after it has run, at an address such as "#stage=build".
class Browser {
public:
    static bool is_there() { return run_program({"chromium", "--version"}).exit_code == 0; }

    explicit Browser(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"graph", "--format", "html", "-o", file()});
        check_success(run_vitro(arguments));
    }

    std::string open(const std::string& address) const {
        const ProcessResult result =
            run_program({"chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000",
                         "--user-data-dir=" + (directory_ / "profile").string(), "--virtual-time-budget=3000",
                         "--dump-dom", "file://" + file() + address});
        CHECK(result.exit_code == 0);
        CHECK_MESSAGE(count(result.out, "data-error=") == 0, result.out.substr(0, 300));
        return result.out.substr(0, result.out.find("<script"));  // elements, not the program that made them
    }

    /// Milliseconds from the beginning of loading until everything is drawn.
    static int ready(const std::string& page) {
        const std::size_t at = page.find("data-ready=\"");
        REQUIRE(at != std::string::npos);
        return std::stoi(page.substr(at + 12));
    }

private:
    std::string file() const { return (directory_ / "graph.html").string(); }
    TempDir directory_;
};

TEST_CASE("Phi-3-mini's page opens in two seconds in Chromium and shows what its address asks for") {
    if (!Browser::is_there()) {
        MESSAGE("SKIPPED: there is no chromium (Debian: chromium)");
        return;
    }
    const TempDir model;
    write_phi3_mini(model.path());
    const Browser browser({"-m", model.path().string()});

    std::vector<int> times;
    std::string page;
    for (int i = 0; i < 3; ++i) times.push_back(Browser::ready(page = browser.open("")));
    std::sort(times.begin(), times.end());
    MESSAGE("ready after " << times[0] << ", " << times[1] << " and " << times[2] << " ms");
    CHECK(times[0] < 2000);
    CHECK(count(page, "layers.0–31") > 0);
    CHECK(count(page, "32 ×") > 0);
    const std::size_t folded = count(page, "data-id=\"n:");
    CHECK(folded > 5);
    CHECK(folded < 20);
    CHECK(count(page, "<g data-value=") > folded / 2);
    CHECK(count(page, "Memory") > 0);

    CHECK(count(browser.open("#stage=build"), "data-id=\"n:") > 2 * folded);
    const std::string whole = browser.open("#stage=build&unfold=1");
    CHECK(count(whole, "data-id=\"n:") > 800);
    CHECK(count(whole, "data-id=\"g:model.layers.31.self_attn\"") == 1);
    const std::string closed = browser.open("#stage=build&open=none");
    CHECK(count(closed, "data-id=\"n:model.layers") == 0);
    CHECK(count(closed, "32 ×") > 0);

    const std::string pass = browser.open("#stage=fuse_attention");
    CHECK(count(pass, "Fired 32 times") == 1);
    CHECK(count(pass, "card is-new") + count(pass, "card is-changed") > 0);
    CHECK(count(pass, "Gone") > 0);

    const std::string node = browser.open("#stage=program&select=model.layers.7.attention_residual&layer=7");
    CHECK(count(node, "layer 7<") == 1);
    CHECK(count(node, "card selected") == 1);
    CHECK(count(node, "data-build=\"model.layers.7.self_attn.o_proj\"") == 1);
    CHECK(count(node, "Place in memory") == 1);
    CHECK(count(node, "class=\"hot\"") > 1);
    CHECK(count(browser.open("#stage=program&select=model.layers.3.self_attn.scores"), "Not in this stage") == 1);
}

TEST_CASE("the bundled model's pages of both phases run without an error in Chromium") {
    if (!Browser::is_there()) {
        MESSAGE("SKIPPED: there is no chromium (Debian: chromium)");
        return;
    }
    for (const char* phase : {"prefill", "decode"}) {
        const Browser browser({"--phase", phase});
        for (const char* stage : {"build", "merge_common_subexpressions", "last_rows_only", "fuse_qkv_rope", "program"})
            CHECK(count(browser.open(std::string("#stage=") + stage), "data-id=\"n:") > 4);
    }
}

}  // namespace
}  // namespace vitro::test
