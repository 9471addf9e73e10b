// Every chat template that llama.cpp's source carries, with twelve conversations each, against jinja2.
#include "tests/frontend/jinja_helpers.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("published templates become the text that jinja2 makes of them") {
    const TempDir directory;
    const std::string out = (directory / "templates.json").string();
    const std::string command =
        "bash '" + source_path("tests/golden/published_templates.sh").string() + "' '" + out + "'";
    if (std::system(command.c_str()) != 0) {
        MESSAGE("skipped: tests/golden/published_templates.sh found no jinja2 or could not fetch the templates");
        return;
    }
    const JsonValue golden = JsonValue::read(out);
    std::size_t compared = 0;
    for (const JsonValue& row : golden.at("cases").array()) {
        CAPTURE(row.at("file").string());
        CAPTURE(row.at("name").string());
        const Rendered rendered = render(row.at("template").string(), jinja_variables(row.at("variables")));
        const bool refused = row.at("text").is_null();
        CHECK_MESSAGE(rendered.refused == refused, rendered.text);
        if (!refused) CHECK(rendered.text == row.at("text").string());
        ++compared;
    }
    CHECK(compared == 840);
}
