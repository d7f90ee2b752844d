"""Templates of pages: what they are given stays text, and what is missing is an error."""

import json
import subprocess
import sys

import jinja2
import pytest

from dreamray.base.pages import load_templates


@pytest.fixture
def render(tmp_path):
    def rendered(template, **values):
        (tmp_path / "page.html").write_text(template, "utf-8")
        templates = load_templates(tmp_path, loud=str.upper)
        return templates.get_template("page.html").render(values)

    return rendered


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("</script>", "&lt;/script&gt;"),
        ('"it\'s"', "&#34;it&#39;s&#34;"),
        ("{{ 7 * 7 }}{% x %}", "{{ 7 * 7 }}{% x %}"),
        ("one\ntwo", "one\\ntwo"),
        ("\u202egnp", "\\u202egnp"),
        ("\udcff\x00", "\\udcff\\x00"),
    ],
)
def test_text_is_escaped_and_its_control_characters_are_shown(render, text, printed):
    assert render("{{ text }}", text=text) == printed
    assert render("{% macro m(t) %}<i>{{ t }}</i>{% endmacro %}{{ m(text) }}", text=text) == (
        f"<i>{printed}</i>"
    )
    assert render("{% for t in texts %}{{ t }}{% endfor %}", texts=[text]) == printed


def test_data_for_scripts_end_none(render):
    data = {"name": "</script><!--\u2028\udcff'\""}
    text = render("{{ data|tojson }}", data=data)
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text) == data


def test_what_is_not_defined_is_an_error(render):
    for template in ("{{ missing }}", "{% if missing %}{% endif %}", "{{ data.missing }}"):
        with pytest.raises(jinja2.UndefinedError):
            render(template, data={})


def test_files_are_taken_in_as_they_are_and_filters_are_known(render, tmp_path):
    (tmp_path / "x.css").write_text("a > b {{ c }} /* é */\n", "utf-8")
    assert render("{{ verbatim('x.css') }}{{ 'a<'|loud }}") == "a > b {{ c }} /* é */\nA&lt;"


def test_only_who_makes_pages_waits_for_the_templates():
    code = "import dreamray.pictures, dreamray.bulk.report, sys; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
