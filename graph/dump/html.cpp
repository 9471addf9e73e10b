#include "graph/dump/html.h"

#include "graph/dump/markup.h"
#include "graph/dump/page_data.h"
#include "graph/dump/script_json.h"

#include <algorithm>
#include <future>

namespace vitro {

std::string_view html_file(std::string_view name);  // defined by cmake/embed.cmake

namespace {

/// The text between script tags, which a browser does not run.
std::string data_script(std::string_view id, std::string_view json) {
    return fmt::format("<script type=\"application/json\" id=\"{}\">{}</script>\n", id, json);
}

}  // namespace

std::string html_of(const Story& story, const Paint* paint) { return html_of({.programs = {&story}, .paint = paint}); }

std::string html_of(const HtmlPage& page) {
    VITRO_CHECK(page.start < page.programs.size(), "a page of {} programs begins with number {}", page.programs.size(),
                page.start);
    std::vector<std::string> names = page.names;
    if (names.empty())
        for (const Story* story : page.programs) names.push_back(story->phase);
    std::string data = data_script("page-data", json_object({"\"programs\":" + json_list(names, json_string),
                                                             fmt::format("\"start\":{}", page.start),
                                                             "\"language\":" + json_string(page.language)}));
    // A thread for each program, which begins with its first stage, and one that finds alike layers from the last stage
    // on. Where no thread can be started this one does the work.
    constexpr auto kLaunch = std::launch::async | std::launch::deferred;
    const std::future<void> repeats = std::async(kLaunch, [&page] {
        for (const Story* story : page.programs)
            for (auto stage = story->stages.rbegin(); stage != story->stages.rend(); ++stage) stage->repeats();
    });
    std::vector<std::future<std::string>> programs;
    for (const Story* story : page.programs)
        programs.push_back(std::async(kLaunch, [story, &page] { return page_data(*story, page.paint); }));
    for (std::size_t i = 0; i < programs.size(); ++i)
        data += data_script(fmt::format("program-{}", i), programs[i].get());
    if (!page.comparison.empty()) data += data_script("comparison-data", ends_no_script(page.comparison));
    if (!page.run.empty()) data += data_script("run-data", ends_no_script(page.run));
    // A line that is a name between two @ stands for that file, or for what only this page has.
    std::string out;
    std::string_view rest = html_file("page.html");
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const std::string_view name = line.size() > 2 && line.front() == '@' ? line.substr(1, line.size() - 2) : "";
        if (name == "DATA")
            out += data;
        else if (name.empty())
            out.append(line) += '\n';
        else
            out.append(html_file(name)) += '\n';
    }
    const auto put = [&](std::string_view mark, const std::string& text) {
        const std::size_t at = out.find(mark);
        VITRO_CHECK(at != std::string::npos, "page.html has no {}", mark);
        out.replace(at, mark.size(), text);
    };
    put("@LANGUAGE@", page.language);
    put("@TITLE@", escaped(page.programs.front()->stages.front().graph.name));
    return out;
}

}  // namespace vitro
