#include "frontend/chat_templates.h"

#include <array>

namespace vitro {
namespace {

constexpr std::string_view kChatMl = R"jinja(
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif %}
)jinja";

constexpr std::string_view kGemma = R"jinja(
{{- bos_token }}
{%- set preface = namespace(text='') %}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}
        {%- set preface.text = message.content ~ '\n\n' %}
    {%- elif message.role in ['user', 'assistant'] %}
        {{- '<start_of_turn>' ~ ('model' if message.role == 'assistant' else 'user') ~ '\n' }}
        {{- preface.text ~ message.content | trim ~ '<end_of_turn>\n' }}
        {%- set preface.text = '' %}
    {%- else %}
        {{- raise_exception('expected role user or assistant, found ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<start_of_turn>model\n' }}
{%- endif %}
)jinja";

constexpr std::string_view kLlama2 = R"jinja(
{%- set system = messages[0].content if messages and messages[0].role == 'system' else none %}
{%- for message in (messages if system is none else messages[1:]) %}
    {%- set expected = 'assistant' if loop.index is even else 'user' %}
    {%- if message.role != expected %}
        {{- raise_exception('expected role ' ~ expected ~ ', found ' ~ message.role) }}
    {%- elif message.role == 'assistant' %}
        {{- ' ' ~ message.content | trim ~ ' ' ~ eos_token }}
    {%- else %}
        {%- set preface = '<<SYS>>\n' ~ system ~ '\n<</SYS>>\n\n' if loop.first and system is not none else '' %}
        {{- bos_token ~ '[INST] ' ~ (preface ~ message.content) | trim ~ ' [/INST]' }}
    {%- endif %}
{%- endfor %}
)jinja";

constexpr std::string_view kLlama3 = R"jinja(
{%- if messages %}{{ bos_token }}{% endif %}
{%- for message in messages %}
    {{- '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' ~ message.content | trim ~ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
)jinja";

constexpr std::string_view kMistral = R"jinja(
{{- bos_token }}
{%- for message in messages %}
    {%- set expected = 'assistant' if loop.index is even else 'user' %}
    {%- if message.role != expected %}
        {{- raise_exception('expected role ' ~ expected ~ ', found ' ~ message.role) }}
    {%- elif message.role == 'user' %}
        {{- '[INST] ' ~ message.content ~ ' [/INST]' }}
    {%- else %}
        {{- message.content ~ eos_token }}
    {%- endif %}
{%- endfor %}
)jinja";

constexpr std::string_view kPhi3 = R"jinja(
{%- for message in messages %}
    {%- if message.role in ['system', 'user', 'assistant'] %}
        {{- '<|' ~ message.role ~ '|>\n' ~ message.content ~ '<|end|>\n' }}
    {%- else %}
        {{- raise_exception('expected role system, user or assistant, found ' ~ message.role) }}
    {%- endif %}
{%- endfor %}
{{- '<|assistant|>\n' if add_generation_prompt else eos_token }}
)jinja";

constexpr std::string_view kZephyr = R"jinja(
{%- for message in messages %}
    {{- '<|' ~ message.role ~ '|>\n' ~ message.content ~ eos_token ~ '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\n' }}
{%- endif %}
)jinja";

constexpr std::array<ChatTemplate, 7> kTemplates{{{"chatml", kChatMl},
                                                  {"gemma", kGemma},
                                                  {"llama2", kLlama2},
                                                  {"llama3", kLlama3},
                                                  {"mistral", kMistral},
                                                  {"phi3", kPhi3},
                                                  {"zephyr", kZephyr}}};

}  // namespace

std::span<const ChatTemplate> chat_templates() { return kTemplates; }

}  // namespace vitro
