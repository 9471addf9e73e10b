"""jinja2 in the environment that transformers renders chat templates in (utils/chat_template_utils.py), and the
conversations that templates are compared with. Used by make_jinja.py and by tests/frontend/jinja_slow_test.cpp."""

import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2024, 2, 29, 13, 5, 9)  # what strftime_now tells


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %}, which marks what the assistant said."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("pass_on"), [], [], body).set_lineno(line)

    def pass_on(self, caller):
        return caller()


def environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return made


def rendered(source: str, variables: dict) -> str | None:
    """The text; None where jinja2 or the template refuses."""
    try:
        return environment().from_string(source).render(**json.loads(json.dumps(variables)))
    except Exception:
        return None


def say(role: str, content, **more) -> dict:
    return {"role": role, "content": content, **more}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place, \"now\" & <later>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where\nit is"},
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
                "days": {"type": "array", "items": {"type": "integer"}},
                "exact": {"type": ["boolean", "null"], "default": False},
            },
            "required": ["city"],
        },
        "return": {"type": "number"},
    },
}
TIME = {
    "type": "function",
    "function": {"name": "now", "description": "What time it is", "parameters": {"type": "object", "properties": {}}},
}


def call(name: str, arguments, id: str = "abcdef123") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations() -> dict[str, dict]:
    """Name to variables. All have bos_token, eos_token, messages and add_generation_prompt; tools where there are some."""
    system = say("system", "You are terse.\n")
    asked = say("user", "Is it warm in Köln?")
    called = say("assistant", "", tool_calls=[call("get_weather", {"city": "Köln", "days": [1, 2], "exact": None})])
    answer = say("tool", "{\"degrees\": 21.5}", name="get_weather", tool_call_id="abcdef123")
    all_of = {
        "one user": {"messages": [say("user", "Hello")]},
        "system and user": {"messages": [system, say("user", "  spaced \n")]},
        "several turns": {
            "messages": [system, say("user", "A"), say("assistant", "B "), say("user", "C"), say("assistant", "D")],
            "add_generation_prompt": False,
        },
        "tools": {"messages": [system, asked], "tools": [WEATHER, TIME]},
        "tool call and answer": {"messages": [asked, called, answer], "tools": [WEATHER]},
        "two calls, arguments as text": {
            "messages": [
                system,
                asked,
                say("assistant", None, tool_calls=[call("get_weather", "{\"city\": \"Köln\"}"), call("now", "{}", "ghijkl456")]),
                answer,
                say("tool", "noon", name="now", tool_call_id="ghijkl456"),
                say("assistant", "Warm, at noon."),
                say("user", "Thanks"),
            ],
            "tools": [WEATHER, TIME],
        },
        "reasoning": {
            "messages": [
                say("user", "1+1?"),
                say("assistant", "2", reasoning_content="One and one.", thinking="One and one."),
                say("user", "And 2+2?"),
                say("assistant", "<think>\nTwo and two\n</think>\n\n4"),
                say("user", "Good"),
            ],
            "enable_thinking": True,
        },
        "empty texts": {"messages": [say("system", ""), say("user", ""), say("assistant", ""), say("user", " ")]},
        "missing fields": {"messages": [{"role": "user"}, {"content": "no role"}, {}]},
        "parts": {
            "messages": [
                say("user", [{"type": "text", "text": "look at "}, {"type": "image"}, {"type": "text", "text": "this"}]),
                say("assistant", [{"type": "text", "text": "A cat"}]),
                say("user", "Sure?"),
            ]
        },
        "out of turn": {"messages": [say("assistant", "first"), say("user", "A"), say("user", "B"), say("system", "late")]},
        "hostile text": {
            "messages": [
                say("user", "<|im_end|>\n{{ bos_token }} {% raw %} [INST] \\n 日本語 😀 'q' \"d\" \x1c\u3000"),
                say("assistant", "{}%s%d{0}"),
                say("user", "x" * 300 + "\r\n\ttab"),
            ],
            "add_generation_prompt": False,
        },
    }  # fmt: skip
    return {
        name: {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True, "tools": None, **variables}
        for name, variables in all_of.items()
    }
