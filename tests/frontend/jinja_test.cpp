#include "frontend/jinja/template.h"

#include "base/error.h"
#include "tests/frontend/jinja_helpers.h"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <chrono>
#include <cstdlib>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("templates become the text that jinja2 makes of them, and what it refuses is refused") {
    const JsonValue golden = JsonValue::read(source_path("tests/golden/jinja.json"));
    const jinja::Variables variables = jinja_variables(golden.at("variables"));
    std::size_t texts = 0, refusals = 0;
    for (const JsonValue& row : golden.at("cases").array()) {
        const std::string source(row.at("template").string());
        CAPTURE(source);
        const Rendered rendered = render(source, variables);
        const bool refused = row.at("text").is_null();
        CHECK(rendered.refused == refused);
        if (!refused) CHECK(rendered.text == row.at("text").string());
        ++(refused ? refusals : texts);
    }
    CHECK(texts > 90);
    CHECK(refusals > 70);
}

TEST_CASE("an error says the line of the template, of tags and macros too, and what was found") {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"a\nb\n{{ 1 + none }}", "t: line 3: expected values that + takes, found 'int object' and None"},
        {"\n{% if x.y.z %}{% endif %}", "t: line 2: 'x' is undefined"},
        {"{% macro m(a) %}\n{{ a.b.c }}{% endmacro %}\n\n{{ m({}) }}",
         "t: line 2: 'dict object' has no attribute \"b\""},
        {"{% macro m() %}\n\n{% endmacro %}\n{{ m() + 1 }}",
         "t: line 4: expected values that + takes, found 'str object' and 'int object'"},
        {"{% for x in [1] %}\n{% endfor %}\n{% include 'x' %}",
         "t: line 3: expected a tag that is known here, found \"include\""},
        {"{# \n\n #}{{ 'a' | nosuch }}", "t: line 3: no filter named \"nosuch\""},
        {"{{ raise_exception('two\\n lines\\t' * 2) }}",
         "t: line 1: the template refuses the conversation: two  lines two  lines "},
        {"{%- raw %}\n{% endraw %}\n{{ raise_exception('No.') }}",
         "t: line 3: the template refuses the conversation: No."},
        {"x\r\ny\r\n{% endif %}", "t: line 3: expected a tag that is known here, found \"endif\""},
        {"{% for x in [] recursive %}{% endfor %}", "t: line 1: recursive loops are not supported"},
        {"{{ '\\ud800' }}",
         "t: line 1: expected an escape sequence for a character, found another one in \"'\\\\ud800'\""},
        {"{{ 9223372036854775808 }}",
         "t: line 1: expected an integer of at most 64 bits, found \"9223372036854775808\""},
        {"{{ 9223372036854775807 + 1 }}",
         "t: line 1: expected integers of at most 64 bits, found a result that is larger"},
        {"\xff", "t: expected a template in UTF-8, found bytes that are not"},
    };
    for (const auto& [source, expected] : cases) {
        CAPTURE(source);
        CHECK(render(source, {}).text == expected);
    }
}

TEST_CASE("integers at the edges of 64 bits are exact or refused, never wrapped") {
    const std::string_view low = "{% set low = -9223372036854775807 - 1 %}";
    const auto with_low = [&](std::string_view rest) { return render(std::string(low) + std::string(rest), {}); };
    CHECK(with_low("{{ low }} {{ low % -1 }} {{ low // 2 }} {{ -(low + 1) }}").text ==
          "-9223372036854775808 0 -4611686018427387904 9223372036854775807");
    for (const std::string_view beyond : {"{{ low // -1 }}", "{{ -low }}", "{{ low - 1 }}", "{{ low * -1 }}",
                                          "{{ 2 ** 63 }}", "{{ low * 2 }}", "{{ 10 ** 19 }}"}) {
        CAPTURE(beyond);
        CHECK(with_low(beyond).refused);
    }
    CHECK(with_low("{{ low|abs }} {{ low|int }} {{ range(low, low + 2)|list }} {{ [1, 2][low:] }} {{ [1, 2][::low] }}")
              .text ==
          "9.223372036854776e+18 -9223372036854775808 [-9223372036854775808, -9223372036854775807] [1, 2] [2]");
    CHECK(with_low("{{ range(low, 9223372036854775807) }}").refused);
}

namespace {

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

/// Templates that would take memory or time without bound, or the stack.
std::vector<std::pair<std::string, std::string>> hostile_templates() {
    const std::string loop = "{% for a in range(100000) %}";
    const std::string loop_end = "{% endfor %}";
    return {
        {"range(10**12)", "{% for x in range(10**12) %}{% endfor %}"},
        {"loops in loops", loop + loop + loop + "x" + loop_end + loop_end + loop_end},
        {"empty loops in loops", loop + loop + loop + loop_end + loop_end + loop_end},
        {"loops of one item",
         "{% for a in range(1000) %}{% for a in range(1000) %}{% for a in range(1000) %}{% for b in [1] %}" +
             repeated(loop_end, 4)},
        {"a text times 10**9", "{{ 'a' * 10**9 }}"},
        {"a long text times 10**9", "{{ 'abc' * 10**9 }}"},
        {"a list times 10**9", "{{ [1] * 10**9 }}"},
        {"nothing times 10**18", "{% set l = [''] * 10**18 %}"},
        {"a text that doubles", "{% set ns = namespace(t='ab') %}" + loop + "{% set ns.t = ns.t ~ ns.t %}" + loop_end},
        {"a list that doubles", "{% set ns = namespace(t=[1]) %}" + loop + "{% set ns.t = ns.t + ns.t %}" + loop_end},
        {"lists inside lists", "{% set ns = namespace(t=[]) %}" + loop + "{% set ns.t = [ns.t] %}" + loop_end},
        {"dicts inside dicts", "{% set ns = namespace(t={}) %}" + loop + "{% set ns.t = {'a': ns.t} %}" + loop_end},
        {"loops that hold loops",
         "{% set ns = namespace(t=[]) %}" + loop + "{% for y in [ns.t] %}{% set ns.t = loop %}" + loop_end + loop_end},
        {"a list twice in itself, printed",
         "{% set ns = namespace(t=[1]) %}{% for a in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t }}"},
        {"a list twice in itself, as JSON",
         "{% set ns = namespace(t=[1]) %}{% for a in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ "
         "ns.t|tojson }}"},
        {"a list twice in itself, compared",
         "{% set ns = namespace(t=[1], u=[1]) %}{% for a in range(60) %}{% set ns.t = [ns.t, ns.t] %}{% set ns.u = "
         "[ns.u, ns.u] %}{% endfor %}{{ ns.t == ns.u }}"},
        {"namespaces that hold each other", "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}" +
                                                loop + "{% set a.c = [a.b, b.a, a] %}{% set x = namespace(a=a) %}" +
                                                loop_end},
        {"a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"},
        {"macros that call each other",
         "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"},
        {"a caller that calls itself",
         "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro "
         "%}{{ n() }}"},
        {"many macros kept", loop + "{% macro m() %}{% endmacro %}" + loop_end},
        {"a macro that doubles its text",
         "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"},
        {"parentheses", "{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}"},
        {"brackets", "{{ " + repeated("[", 100'000)},
        {"braces", "{{ " + repeated("{1:", 100'000)},
        {"nots", "{{ " + repeated("not ", 100'000) + "1 }}"},
        {"signs", "{{ " + repeated("-", 100'000) + "1 }}"},
        {"a long sum", "{{ 1" + repeated("+1", 100'000) + " }}"},
        {"a long or", "{{ 0" + repeated(" or 0", 100'000) + " }}"},
        {"a long chain of attributes", "{{ a" + repeated(".b", 100'000) + " }}"},
        {"a long chain of filters", "{{ a" + repeated("|e", 100'000) + " }}"},
        {"a long chain of calls", "{{ a" + repeated("()", 100'000) + " }}"},
        {"a long inline if", "{{ a" + repeated(" if b", 100'000) + " }}"},
        {"a long else", "{{ a" + repeated(" if b else a", 100'000) + " }}"},
        {"deep arguments", "{{ " + repeated("a(", 100'000) + " }}"},
        {"sums in arguments",
         "{{ " + repeated("a(", 300) + "1" + repeated("+1" + repeated("+1", 300) + ")", 300) + " }}"},
        {"deep targets", "{% set " + repeated("(", 100'000) + "a = 1 %}"},
        {"deep ifs", repeated("{% if 1 %}", 50'000)},
        {"many outputs", repeated("{{a}}", 104'000)},
        {"a template of megabytes", std::string(std::size_t{2} << 20, 'a')},
        {"str.center", "{{ 'a'.center(10**9) }}"},
        {"center", "{{ 'a'|center(10**9) }}"},
        {"zfill", "{{ 'a'.zfill(10**9) }}"},
        {"a width in a format", "{{ '{:999999999}'.format(1) }}"},
        {"a width from the arguments", "{{ '%*d' % (999999999, 1) }}"},
        {"a precision in a format", "{{ '%.999999999f' % 1.5 }}"},
        {"indent", "{{ 'a\n'|indent(10**9, true) }}"},
        {"many lines indented", "{{ ('a\n' * 10**6)|indent(10**4) }}"},
        {"an indent of JSON", "{{ [1]|tojson(indent=10**9) }}"},
        {"replace that grows", "{{ ('a' * 10**6)|replace('a', 'a' * 10**6) }}"},
        {"join that grows", "{{ ('a' * 10**5)|join('a' * 10**6) }}"},
        {"replace of nothing", "{{ ('a' * 10**7).replace('', 'aaaaaaaa') }}"},
        {"batch that fills", "{{ [1]|batch(10**9, 'x')|list }}"},
        {"slice into many", "{{ [1]|slice(10**9)|list }}"},
        {"strftime that pads", "{{ strftime_now('%999999999Y') }}"},
        {"a search that backtracks",
         "{% set t = 'a' * 10**6 %}{% set p = 'a' * 10**5 ~ 'b' %}" + loop + "{{ p in t }}" + loop_end},
        {"split from the right",
         "{% set t = 'a' * 10**6 %}{% set p = 'b' ~ 'a' * 10**5 %}" + loop + "{{ t.rsplit(p) }}" + loop_end},
        {"strip of many characters", "{% set t = 'a' * 10**6 %}" + loop + "{{ t.strip('b' * 999 ~ 'a') }}" + loop_end},
        {"a sort of many", "{% set l = range(100000)|list %}" + loop + "{% set x = l|sort %}" + loop_end},
        {"unique of many", "{{ range(100000)|unique|list }}"},
        {"a dict of many keys", "{% set d = dict(range(100000)|batch(2)) %}"},
        {"a dict of as many keys as fit",
         "{% set d = dict(range(20000)|batch(2)) %}" + loop + "{{ d[5] }}{{ 5 in d.keys() }}" + loop_end},
        {"items looked for in a list", "{% set l = range(100000)|list %}" + loop + "{{ -1 in l }}" + loop_end},
        {"a text looked for among texts",
         "{% set t = 'a' * 1000 %}{% set l = [t ~ 'b'] * 10000 %}" + loop + "{{ t ~ 'c' in l }}" + loop_end},
        {"lines of nothing", "{{ ('\\n' * 6 * 10**6).splitlines() }}"},
        {"parts of nothing", "{{ (',' * 6 * 10**6).split(',') }}"},
        {"parts of nothing from the right", "{{ (',' * 6 * 10**6).rsplit(',') }}"},
        {"words", "{{ ('a ' * 3 * 10**6).split() }}"},
        {"a text that repr makes longer", "{{ ['\\x01' * 10**7] }}"},
        {"a text that JSON makes longer", "{{ ('\\x01' * 10**7)|tojson }}"},
        {"a text that HTML makes longer", "{{ ('&' * 10**7)|e }}"},
        {"a text that a URL makes longer", "{{ ('&' * 10**7)|urlencode }}"},
        {"many small texts", "{{ ('a' * 10**6)|list }}"},
        {"title of a long text", "{% set t = 'aé' * 10**6 %}" + loop + "{% set x = t.title() %}" + loop_end},
        {"upper of a long text", "{% set t = 'é' * 10**6 %}" + loop + "{% set x = t|upper %}" + loop_end},
        {"a long text of lines", "{{ ('\n' * 10**7).splitlines() }}"},
        {"a long number", "{{ '" + repeated("9", 100'000) + "'|int }}{{ '" + repeated("9", 100'000) + "'|float }}{{ 9" +
                              repeated("9", 100'000) + " }}"},
        {"a character cut by a prefix of two bytes", "{{ '{0?\xd5\x82}'.format(1) }}"},
        {"a power", "{{ 3 ** 10**18 }}"},
        {"attributes of classes", "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
        {"globals of a function", "{{ range.__globals__['os'] }}"},
        {"attr with underscores", "{{ ((''|attr('__class__'))|attr('__mro__')).x }}"},
        {"format that looks inside", "{{ '{0.__class__.__mro__}'.format('') }}"},
        {"a map that looks inside", "{{ ['']|map(attribute='__class__.__mro__')|list }}"},
        {"a change of a list", "{{ [].append(1) }}"},
        {"a change of a dict", "{{ {}.update({1: 2}) }}"},
        {"self and other names", "{{ self._TemplateReference__context }}"},
    };
}

double peak_megabytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

TEST_CASE("hostile templates end in an error, soon and in little memory") {
    const std::vector<std::pair<std::string, std::string>> all = hostile_templates();
    const double before = peak_megabytes();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr bool slowed = true;
#else
    constexpr bool slowed = false;
#endif
    for (const auto& [name, source] : all) {
        CAPTURE(name);
        timespec begin{}, end{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        const Rendered rendered = render(source, {});
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        const double seconds =
            static_cast<double>(end.tv_sec - begin.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
        CHECK(rendered.refused);
        CHECK(rendered.text.size() < 1000);
        CHECK(seconds < (slowed ? 20 : 1));
        if (!slowed) CHECK(peak_megabytes() - before < 64);
    }
}

TEST_CASE("a conversation of a megabyte is far from every limit") {
    std::vector<jinja::Value> messages;
    for (int i = 0; i < 2000; ++i) {
        messages.push_back(
            jinja::Value::dict({{jinja::Value::text("role"), jinja::Value::text(i % 2 == 0 ? "user" : "assistant")},
                                {jinja::Value::text("content"), jinja::Value::text(std::string(500, 'x'))}}));
    }
    const Rendered rendered = render(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% if m.role == 'user' and not m.tool_calls is defined "
        "%}<|user|>"
        "{% elif m.role == 'assistant' %}<|assistant|>{% endif %}{{ m.content|trim + '<|end|>\n' }}{% set ns.n = ns.n "
        "+ 1 %}"
        "{% endfor %}{{ ns.n }}",
        {{"messages", jinja::Value::list(std::move(messages))}});
    CHECK_FALSE(rendered.refused);
    CHECK(rendered.text.size() > 1'000'000);
    CHECK(rendered.text.ends_with("<|end|>\n2000"));
}
