"""Writes what jinja2 makes of the templates below, for tests/frontend/jinja_test.cpp and jinja_slow_test.cpp.

    python tests/golden/make_jinja.py OUT.json               the templates below
    python tests/golden/make_jinja.py OUT.json TEMPLATE...   those files, with the conversations of jinja_oracle.py

A line is a template of its own; the names that it may use are VARIABLES. `null` where jinja2 refuses."""

import json
import os
import sys

import jinja2
import jinja_oracle

VARIABLES = {
    "s": "Héllo, wörld",
    "q": "it's \"q\" & <b>\n\ttab \\ é日😀\u3000\u00a0",
    "w": "  a b\n c  ",
    "e": "",
    "i": 7,
    "f": 2.5,
    "n": None,
    "t": True,
    "l": [3, 1, 2],
    "m": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": [1, 2.0, None, True, "x"], "c": {"k": "v'"}},
    "p": [{"n": "x", "v": 1, "k": {"z": 5}}, {"n": "y", "v": 2, "k": {"z": 4}}, {"n": "x", "v": 3}],
    "bos_token": "<s>",
}

LINES = r"""
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** 3 ** 2 }} {{ 2 ** -1 }} {{ -2 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 3 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 1_000 }} {{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 1.5e3 }}
{{ 10 / 0 }}
{{ 10 % 0 }}
{{ 'a' + 1 }}
{{ 'a' + n }}
{{ 'a' ~ 1 ~ n ~ t ~ 2.0 ~ missing ~ l }}
{{ true + true }} {{ true and 2 }} {{ 0 or 'x' }} {{ not 0 }} {{ not 'a' and 1 }} {{ none or false }} {{ '' and 1 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ l == [3, 1, 2] }} {{ [1, 2] < [1, 3] }} {{ 'a' < 'b' }} {{ none == none }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ 'ell' in 'hello' }} {{ 3 in l }} {{ 'a' in d }} {{ 'z' not in d }} {{ 5 in range(10) }} {{ 1.0 in [1] }} {{ 'x' in missing }}
{{ 1 in 'a1' }}
{{ 'x' in none }}
{{ 'a' if t else 'b' }} {{ 'a' if n }} {{ 'a' if n else 'b' if e else 'c' }} {{ ('a' if n) is defined }}
{{ -i|abs }} {{ -7|abs }} {{ +i }} {{ - - i }} {{ i.real if false else 'x' }} {{ -f }} {{ not t is string }}
{{ l[0] }} {{ l[-1] }} {{ l[5] }} {{ l['x'] }} {{ l.0 }} {{ d.a[1] }} {{ d['c']['k'] }} {{ d.c.k }} {{ s[1] }} {{ s[-1] }} {{ (1, 2)[1] }}
{{ d.missing.deeper }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing() }}
{{ missing + 1 }}
{{ n.x }} {{ n['x'] }} {{ i.x }} {{ missing }} {{ missing|length }} {{ missing|list }} {{ missing|upper }}|{{ missing|trim }}|{{ missing == missing }} {{ missing == none }}
{{ s[1:4] }} {{ s[:-3] }} {{ s[::-1] }} {{ s[-3:] }} {{ s[10:2] }} {{ s[::2] }} {{ l[1:] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[5:] }} {{ l[:n] }} {{ (1, 2, 3)[:2] }} {{ range(10)[2:5]|list }}
{{ l[::0] }}
{{ n[1:] }}
{{ missing[1:] }}
{{ d[1:2] }}
{{ l['a':] }}
{{ [] }} {{ {} }} {{ () }} {{ (1,) }} {{ (1, 'a') }} {{ [1, 'a', none, true, 2.0, [n]] }} {{ {'a': 1, 2: 'b', none: true} }} {{ 1, 2 }}
{{ {'a': 1, 'a': 2} }} {{ {1: 'x', true: 'y'} }} {{ {(1, 2): 3} }}
{{ {[1]: 2} }}
{{ d }} {{ q }} {{ [q] }} {{ ["'", '"', '\'"', '\\', '\n\t\x07\u200b'] }}
{{ '\x41\u00e9\U0001F600\101\q\'' }} {{ "a\
b" }} {{ 'con' 'cat' }}
{{ l * 2 }} {{ 'ab' * 3 }} {{ 3 * 'x' }} {{ 'x' * -1 }} {{ l + [9] }} {{ (1,) + (2,) }}
{{ l + (1,) }}
{{ l - l }}
{{ d.items() }} {{ d.keys()|list }} {{ d.values()|list|length }} {{ d.items()|list|first }} {{ d.get('a') }} {{ d.get('z') }} {{ d.get('z', 5) }} {{ d.copy() == d }}
{{ d.pop('a') }}
{{ d.update({}) }}
{{ l.append(1) }}
{{ l.append }} {{ l.append is defined }} {{ d.pop is defined }} {{ d.items is defined }} {{ l.index(1) }} {{ l.count(1) }} {{ (1, 2).index(2) }}
{{ s.__class__ }} {{ s.__class__ is defined }}
{{ s.__class__.__mro__ }}
{{ ''.__class__.__bases__[0].__subclasses__() }}
{{ raise_exception.__globals__ }}
{{ (raise_exception|attr('__globals__')).x }}
{{ namespace.__init__ }}|{{ d.__len__ }}|{{ l['__class__'] }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.swapcase() }} {{ 'ß'.upper() }} {{ 'ÉA'.lower() }} {{ s|title }} {{ "foo-bar (baz) it's"|title }} {{ "foo-bar it's"|capitalize }}
{{ w.strip()|tojson }} {{ w.lstrip()|tojson }} {{ w.rstrip()|tojson }} {{ 'xxaxx'.strip('x') }} {{ 'abcba'.lstrip('ab') }} {{ '\x1c\u3000a\u00a0'.strip()|tojson }} {{ 'a'.strip(none) }} {{ 'xax'|trim('x') }}
{{ w.split()|tojson }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split(' ') }} {{ 'a b c'.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b  c'.rsplit(none, 1) }} {{ 'aXXb'.split('XX', maxsplit=1) }}
{{ 'a'.split('') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'ab'.partition('=') }} {{ 'ab'.rpartition('=') }}
{{ s.startswith('Hé') }} {{ s.endswith(('x', 'ld')) }} {{ 'abc'.startswith('b', 1) }} {{ s.find('w') }} {{ s.find('zz') }} {{ s.rfind('l') }} {{ s.index('l') }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ 'abc'.find('') }}
{{ s.index('zz') }}
{{ 'aXbXc'.replace('X', '-') }} {{ 'aXbXc'.replace('X', '-', 1) }} {{ 'ab'.replace('', '-') }} {{ 'aXb'|replace('X', 5) }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 5|replace(5, 6) }}
{{ '-'.join(['a', 'b']) }} {{ l|join(', ') }} {{ l|join }} {{ p|join('+', attribute='n') }} {{ 'abc'|join('.') }} {{ [1, n, t]|join('|') }} {{ d|join }}
{{ '-'.join([1]) }}
{{ 'ab'.center(7, '*') }} {{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4, '0') }} {{ '-5'.zfill(4) }} {{ 'ab'|center(6) }}|
{{ 'ab1'.isalnum() }} {{ 'ab'.isalpha() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ ' \n'.isspace() }} {{ 'AB1'.isupper() }} {{ 'a1'.islower() }} {{ 'é'.isascii() }} {{ 'abc'.removeprefix('ab') }} {{ 'abc'.removesuffix('bc') }}
{{ '{} {1} {a}'.format(1, 2, a=3) if false else '{} {}'.format(1, 'x') }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{a.b} {c[0]} {c[k]!r}'.format(a={'b': 1}, c={'k': 'v', 0: 1}) if false }} {{ '{x!r:>5}|{y:<4}|{z:^5}|{{}}'.format(x='a', y=1, z='c') }}
{{ '{:.2f} {:5d} {:05d} {:+} {:,} {:x} {:#x} {:%} {:e} {:g} {:.3} {:>8.3f}|{:b}'.format(3.14159, 42, -42, 5, 1234567, 255, 255, 0.25, 12345.678, 0.0001, 'abcdef', 2.5, 5) }}
{{ '{}'.format() }}
{{ '{.__class__}'.format(s) }}
{{ '%s %d %5.2f %r %% %x %05d %-4s| %+d %s' % ('a', 42, 3.14159, 'q', 255, 42, 'x', 5, n) }} {{ '%s' % 'x' }} {{ '%(a)s %(b)d' % {'a': 1, 'b': 2} }} {{ '%s-%s'|format('a', 'b') }} {{ 'plain' % {} }}
{{ '%d' % 'x' }}
{{ '%s %s' % ('a',) }}
{{ '%s' % ('a', 'b') }}
{{ d|tojson }} {{ q|tojson }} {{ l|tojson }} {{ n|tojson }} {{ t|tojson }} {{ 1.0|tojson }} {{ 1e20|tojson }} {{ (1, 2)|tojson }} {{ {1: 2, true: none, 'é': 1.5}|tojson }} {{ '\u2028\x7f\x01</script>'|tojson }}
{{ d|tojson(indent=2) }} {{ {}|tojson(indent=2) }} {{ [[]]|tojson(indent=1) }} {{ d|tojson(sort_keys=true) }} {{ d|tojson(separators=(',', ':')) }} {{ q|tojson(ensure_ascii=true) }} {{ l|tojson(true) }} {{ l|tojson(indent='--') }} {{ l|tojson(indent=0) }}
{{ missing|tojson }}
{{ range(3)|tojson }}
{{ l|map('string')|tojson }}
{{ l|sort }} {{ m|sort }} {{ m|sort(case_sensitive=true) }} {{ l|sort(reverse=true) }} {{ p|sort(attribute='v', reverse=true)|map(attribute='v')|list }} {{ p|sort(attribute='n,v')|length }} {{ [[2, 1], [1, 5]]|sort }}
{{ [1, 'a']|sort }}
{{ d|dictsort }} {{ {'B': 2, 'a': 1}|dictsort }} {{ {'B': 2, 'a': 1}|dictsort(true) }} {{ {'B': 2, 'a': 1}|dictsort(by='value') }} {{ {'B': 2, 'a': 1}|dictsort(reverse=true) }}
{{ l|first }} {{ l|last }} {{ []|first }} {{ s|first }} {{ s|last }} {{ d|first }} {{ l|length }} {{ s|length }} {{ d|count }} {{ []|last is defined }}
{{ 5|length }}
{{ l|map('string')|first }} {{ l|map('string')|length if false }} {{ (l|map('string'))[0] is defined }} {{ (l|map('string')) is iterable }} {{ (l|map('string')) is sequence }} {{ 'y' if []|select else 'n' }}
{{ l|select|length }}
{{ l|reverse|list }} {{ s|reverse }} {{ l|list is sameas l }} {{ 'abc'|list }} {{ d|list }} {{ range(3)|list }} {{ range(1, 10, 3)|list }} {{ range(3, 0, -1)|list }} {{ range(3) }} {{ range(1, 9, 2) }} {{ range(5)[1] }} {{ range(0)|list }}
{{ l|sum }} {{ p|sum(attribute='v') }} {{ [[1], [2]]|sum(start=[]) }} {{ l|min }} {{ l|max }} {{ m|min }} {{ p|max(attribute='v') }} {{ []|max is defined }} {{ [1, 1, 2]|unique|list }} {{ m|unique|list }} {{ ['a', 'A']|unique|list }}
{{ p|map(attribute='n')|list }} {{ p|map(attribute='k.z')|list|length if false }} {{ p|map(attribute='q', default='-')|join }} {{ l|map('string')|join('-') }} {{ m|map('upper')|list }} {{ m|map('replace', 'a', 'z')|list }} {{ none|map('upper')|list }}
{{ p|selectattr('n', 'equalto', 'x')|map(attribute='v')|list }} {{ p|rejectattr('n', 'equalto', 'x')|list }} {{ p|selectattr('k')|list|length }} {{ p|selectattr('k', 'defined')|list|length }} {{ l|select('odd')|list }} {{ l|reject('gt', 1)|list }} {{ p|selectattr('v', '>=', 2)|list|length }} {{ [0, 1, '']|select|list }} {{ none|selectattr('a')|list }}
{% for g in p|groupby('n') %}{{ g.grouper if false }}{{ g[0] }}={{ g[1]|length }} {% endfor %} {{ l|batch(2)|list }} {{ l|batch(2, 0)|list }} {{ l|slice(2)|list }} {{ l|slice(2, 'x')|list }}
{{ missing|default('x') }} {{ e|default('x') }} {{ e|default('x', true) }} {{ n|d('x') }} {{ n|default('x', boolean=true) }} {{ d.z|default }}|
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(1, blank=true) }}|{{ 'a\nb'|indent('> ') }}|{{ 'a\nb\n'|indent(width=1)|tojson }}
{{ '12'|int }} {{ '12.7'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ '0x1f'|int(base=16) }} {{ 3.9|int }} {{ -3.9|int }} {{ n|int }} {{ ' 7 '|int }} {{ '1_0'|int }} {{ t|int }} {{ '2.5'|float }} {{ 'x'|float }} {{ '1e3'|float }} {{ 7|float }} {{ '11'|int(base=2) }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 2.7|round(method='floor') }} {{ 2.1|round(0, 'ceil') }} {{ 42|round }} {{ 1234|round(-2) }} {{ 1234.5|round(-2) }} {{ -1.5|abs }}
{{ 'a b c'|wordcount }} {{ "it's é"|wordcount }} {{ 'hello big world'|truncate(9) }} {{ 'hello big world'|truncate(9, true) }} {{ 'hello big world'|truncate(9, false, '>') }} {{ 'hello'|truncate(4) }} {{ 'hello'|truncate(4, leeway=0) }} {{ 'a b&é/'|urlencode }}
{{ '<a>&"'|escape }} {{ '<a>'|e|e }} {{ '<a>'|safe }} {{ '<a>'|safe + '<b>' }} {{ '<b>' + '<a>'|safe }} {{ '<a>'|safe ~ '<b>' }} {{ '<a>'|safe|upper + '<' }} {{ ['<a>'|safe] }} {{ '<a>'|safe is escaped }} {{ '<a>'|safe|tojson }} {{ '<a>'|safe|string + '<' }} {{ ('<%s>'|safe) % 'x' }}
{{ s is string }} {{ i is number }} {{ f is float }} {{ i is integer }} {{ t is integer }} {{ t is number }} {{ t is boolean }} {{ t is true }} {{ n is none }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ d is mapping }} {{ l is iterable }} {{ i is iterable }} {{ missing is iterable }} {{ missing is sequence }} {{ d.items() is sequence }} {{ d.items() is iterable }} {{ range is callable }} {{ s is callable }} {{ s.upper is callable }}
{{ i is odd }} {{ i is even }} {{ i is divisibleby 7 }} {{ i is divisibleby(2) }} {{ i is eq 7 }} {{ i is in [7] }} {{ 'a' is in 'abc' }} {{ i is not in l }} {{ 'a' is lower }} {{ 'A' is upper }} {{ i is sameas 7 }} {{ i is gt 3 }} {{ i is ge(7) }} {{ 'upper' is filter }} {{ 'x' is filter }} {{ 'odd' is test }} {{ e is defined }} {{ missing is undefined }} {{ s is not string }} {{ not s is string }} {{ i is ne 7 }} {{ 1 is true }} {{ e is false }}
{{ i is in l or t }} {{ s is string and i is number }} {{ s is defined and s is not none }} {{ i + 1 is even }}
{{ s is nosuchtest }}
{{ s|nosuchfilter }}
{{ 5 is odd is true }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.depth }} {% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}none{% endfor %}{% for x in [] %}{% else %}empty{% endfor %}{% for x in missing %}{% else %}m{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in d|dictsort %}{{ k }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in s %}{{ c }}.{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}
{% for x in n %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for a, b in [1, 2] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% set x = 1 %}{% for y in l %}{% set x = x + y %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% for y in l %}{% if loop.first %}{% set z = 5 %}{% endif %}[{{ z }}]{% endfor %}[{{ z }}]
{% set ns = namespace(a=1, b=[]) %}{% for y in l %}{% set ns.a = ns.a + y %}{% set ns.b = ns.b + [y] %}{% endfor %}{{ ns.a }} {{ ns.b }} {{ ns.c }} {{ ns['a'] }}{% set ns.c = 'new' %}{{ ns.c }}
{% set d.x = 1 %}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e2) = [3, 4] %}{{ c }}{{ e2 }}{% set x = 1, 2 %}{{ x }}
{% set a, b = [1] %}
{% set x %}a{{ i }}b{% endset %}{{ x }}{% set y | upper | replace('A', 'z') %}a{{ i }}b{% endset %}{{ y }}{% set v %}{% set inner = 1 %}{% endset %}{{ inner }}
{% macro m1(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m1(1) }} {{ m1(1, c=3) }} {{ m1(b=1, a=0) }} {{ m1() }} {{ m1(*[1, 2]) }} {{ m1(**{'a': 5}) }}
{% macro m1(a) %}{{ a }}{% endmacro %}{{ m1(1, 2) }}
{% macro m1(a) %}{{ a }}{% endmacro %}{{ m1(z=2) }}
{% macro m1(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m1(4) }} {% macro va(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ va(1, 2, 3, x=4) }} {% macro u(a) %}{{ a is defined }}{% endmacro %}{{ u() }}
{% macro rec(n) %}{% if n > 0 %}{{ n }}{{ rec(n - 1) }}{% endif %}{% endmacro %}{{ rec(5) }}|{{ rec(5)|length }}|{{ rec is callable }}
{% macro box(t) %}[{{ t }}:{{ caller() }}]{% endmacro %}{% call box('x') %}in{{ i }}{% endcall %} {% macro each(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(y) each(l) %}<{{ y }}>{% endcall %}
{% macro plain() %}x{% endmacro %}{% call plain() %}y{% endcall %}
{% set x = 1 %}{% macro late() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ late() }}{% for q2 in [1] %}{% set x = 3 %}{{ late() }}{% endfor %}
{% macro s1() %}{% set x = 5 %}{{ x }}{% endmacro %}{{ s1() }}{{ x is defined }}
{% filter upper %}abc{{ s }}{% endfilter %} {% filter replace('a', 'b')|upper %}aca{% endfilter %} {% with a=1, b=2 %}{{ a + b }}{% set c9 = 1 %}{% endwith %}{{ c9 }}{{ a }}
{% generation %}said {{ i }}{% set g1 = 1 %}{% endgeneration %}{{ g1 }}
{% raw %}{{ not }} {% if %}{# c #}{% endraw %} {#- comment -#} x {# a #}y
{%- raw -%}  {{ x }}  {%- endraw -%}  z
{{ {'a': {'b': 1}}.a.b }} {{ {'a': '}}'}.a }} {{ "{% if %}" }} {{- ' x ' -}} y {{+ i }}
{% if false %}{% elif i == 7 %}seven{% else %}other{% endif %}{% if missing %}m{% endif %}{% if not missing %}nm{% endif %}{% if [] or {} or '' or 0 or 0.0 %}{% else %}all false{% endif %}
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %Y %A %j') }}
{{ raise_exception('no ' ~ i) }}
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict(d, z=1)|length }} {{ dict() }}
{{ range(10 ** 12) }}
{{ range(1, 2, 0) }}
{{ 5() }}
{{ s() }}
{{ 'a' 1 }}
{{ }}
{{ a b }}
{% if %}{% endif %}
{% endif %}
{% if t %}
{% for x in l %}{% endif %}
{% unknown %}
{{ 'unclosed }}
{{ (1 }}
{{ 1) }}
{{ [1, 2 }}
{# unclosed
{% raw %} unclosed
{{ 1 +}}
{{ x. }}
{% set 1 = 2 %}
{% set true = 2 %}
{% break %}
{{ 'a' if }}
{{ x is }}
{{ x| }}
{{ @ }}
{{ s.upper().lower().title()|replace('H', 'J')|length }} {{ (s ~ 'x')|upper }} {{ s ~ 'x'|upper }} {{ (1 + 2)|string + '3' }} {{ [1, 2][0] + 5 }} {{ {'k': [1, {'z': 'deep'}]}['k'][1].z }}
{{ [l, m]|map('first')|list }} {{ d.a|select('number')|list }} {{ d.a|select('string')|list }} {{ d|length > 2 and l|length == 3 }} {{ l|sum / l|length }} {{ 'x'.join(m|map('lower')) }}
{{ loop }} {{ loop is defined }} {{ caller is defined }} {{ bos_token }} {{ True }} {{ None }} {{ False }}
{{ p[0].n ~ p[-1]['v'] }} {{ p|map(attribute='k')|list }} {{ p|map(attribute='k.z')|first }} {{ p[0].items()|list }} {{ p[0].values()|list }} {{ 'n' in p[0].keys() }}
""".strip("\n").split("\n{")  # fmt: skip

BLOCKS = [
    "  {% if true %}\n    a\n  {% endif %}\n  b\n",
    "x {% if true %} y {% endif %} z\n\n",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\n  c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\n  c",
    "  {{ i }}\n  {{- i -}}\n  {{ i }}\n",
    "a\n\n  {# comment #}\n  b {# c #}\n{#- d -#}\n e",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend",
    "{% for x in l -%}\n  {{ x }},\n{%- endfor %}\nend\n",
    "a\r\n{% if true %}\r\nb\r{% endif %}\r\nc\r\n",
    "\t {% set x = 1 %}\n\t {{ x }}",
    "{% raw %}\n a {% endraw %}\n b",
    "a {% raw -%}\n  b  {%- endraw %}\nc",
    "\n\n{{ i }}\n\n",
    "a\n  {% if true %}b{% endif %}  {% if true %}\n  c{% endif %}",
    "{{ i }}  {% if true %}  \n{% endif %}",
    "{% macro m(x) %}\n  [{{ x }}]\n{% endmacro %}\n{{ m(1) }}{{ m(2) }}",
    "{%- macro m(x) -%}\n  [{{ x }}]\n{%- endmacro -%}\n{{ m(1) }}{{ m(2) }}",
    "{{ [1,\n2,\n3] }} {% set x = {\n 'a': 1,\n} %}{{ x }}",
    "  {%- generation %}\n  g\n  {%- endgeneration %}\n  h",
    "{ { x } } {a} {%raw%}{{{%endraw%} }} %} #}",
    "{{ '{{' }}{{ '}}' }}{% if '%}' %}p{% endif %}",
    "   \n  {%- if true %}\n x",
    "",
    "\n",
    "plain",
]


def cases() -> list[tuple[str, dict]]:
    lines = [line if i == 0 else "{" + line for i, line in enumerate(LINES)]
    return [(template, VARIABLES) for template in lines + BLOCKS]


def main(out: str, *files: str) -> None:
    rows = []
    if files:
        for path in files:
            with open(path, encoding="utf-8", newline="") as file:
                source = file.read()
            for name, variables in jinja_oracle.conversations().items():
                text = jinja_oracle.rendered(source, variables)
                rows.append({"file": os.path.basename(path), "name": name, "template": source, "variables": variables, "text": text})
        golden = {"jinja2": jinja2.__version__, "cases": rows}
    else:
        for template, variables in cases():
            text = jinja_oracle.rendered(template, variables)
            if text is None and template.count("{{") > 3:
                raise ValueError(f"one expression of many is refused, so that the others are not compared: {template}")
            rows.append({"template": template, "text": text})
        golden = {"jinja2": jinja2.__version__, "variables": VARIABLES, "cases": rows}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, indent=None if files else 0)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
