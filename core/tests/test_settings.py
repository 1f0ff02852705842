"""Settings: the order of layers, what each source may hold, and what errors say."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import SettingError
from anybatch.hookspecs import hookimpl
from anybatch.plugins.calls import Hooks
from anybatch.records import Kind, Setting, SiteDefault
from anybatch.settings.layers import Settings, Value, parse_assignment
from anybatch.settings.schema import CORE_SETTINGS
from anybatch.settings.sources import load_settings
from anybatch.settings.values import check, read_text
from hypothesis import given
from hypothesis import strategies as st

from .toy import Toy, plugins_of, session_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Kinds:
    """A plugin with a setting of each kind, spelt with hyphens."""

    @hookimpl
    def anybatch_settings(self) -> list[Setting]:
        some = [Setting(name=f"a-{kind.value}", kind=kind) for kind in Kind]
        return [*some, Setting(name="colour", choices=("red", "green"))]


class Site:
    """A site's plugin."""

    def __init__(self, *records: object) -> None:
        self.records = records or (
            SiteDefault("toy.partition", "site"),
            SiteDefault("toy.options", {"account": "site", "mail": "no"}),
            SiteDefault("toy.grace", "6s"),
            SiteDefault("poll_interval", "1m"),
            SiteDefault("absent.partition", "x"),
        )

    @hookimpl
    def anybatch_settings(self) -> tuple[object, ...]:
        return self.records


def load(
    folder: Path, environ: Mapping[str, str] | None = None, *, site: object = None
) -> Settings:
    """The settings of the toy system, a plugin `all_kinds` and perhaps a site's."""
    others = {} if site is None else {"site": site}
    plugins = plugins_of(toy=Toy(), all_kinds=Kinds(), **others)
    return load_settings(Hooks(plugins), environ or {}, folder)


def write_user(isolated: Path, text: str) -> Path:
    """The user's file."""
    path = isolated.parent / "config/anybatch/anybatch.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    return path


def write_project(isolated: Path, text: str) -> Path:
    """The project's file."""
    path = isolated / "anybatch.toml"
    path.write_text(text, "utf-8")
    return path


# -- Layers ---------------------------------------------------------------------------------


def test_each_layer_wins_over_those_below(isolated: Path) -> None:
    """Default, site, user file, project file, environment and call, each with its source."""
    expected = [("default", timedelta(seconds=5))]
    seen = [load(isolated).explain("toy")["grace"]]
    seen.append(load(isolated, site=Site()).explain("toy")["grace"])
    expected.append(("plugin site", timedelta(seconds=6)))
    user = write_user(isolated, "[toy]\ngrace = '7s'\n")
    seen.append(load(isolated, site=Site()).explain("toy")["grace"])
    expected.append((str(user), timedelta(seconds=7)))
    project = write_project(isolated, "[toy]\ngrace = 8\n")
    seen.append(load(isolated, site=Site()).explain("toy")["grace"])
    expected.append((str(project), timedelta(seconds=8)))
    settings = load(isolated, {"ANYBATCH_TOY__GRACE": "9s"}, site=Site())
    seen.append(settings.explain("toy")["grace"])
    expected.append(("environment", timedelta(seconds=9)))
    called = settings.with_layer("call", {"toy": {"grace": "10s"}})
    seen.append(called.explain("toy")["grace"])
    expected.append(("call", timedelta(seconds=10)))
    assert seen == [Value(value, source) for source, value in expected]
    assert called.table("toy")["partition"] == "site"


def test_tables_are_merged_key_by_key(isolated: Path) -> None:
    """A layer replaces what it names in a table and keeps the rest, and no layer is changed."""
    write_user(isolated, "[toy.options]\nmail = 'yes'\nnice = 5\n")
    settings = load(isolated, site=Site())
    given_table = {"nice": "7"}
    called = settings.with_layer("call", {"toy": {"options": given_table}})
    assert called.table("toy")["options"] == {"account": "site", "mail": "yes", "nice": "7"}
    assert settings.table("toy")["options"] == {"account": "site", "mail": "yes", "nice": "5"}
    assert given_table == {"nice": "7"}
    again = settings.with_layer("call", {"toy": {"options": {"mail": "no"}}})
    assert again.table("toy")["options"] == {"account": "site", "mail": "no", "nice": "5"}


def test_a_table_may_be_changed_by_who_got_it(isolated: Path) -> None:
    """A plugin that writes into its settings changes nobody else's."""
    settings = load(isolated)
    settings.table("toy")["partition"] = "mine"
    assert settings.table("toy")["partition"] is None


def test_every_declared_setting_is_there(isolated: Path) -> None:
    """A setting without a value is None in the table and left out of the explanation."""
    settings = load(isolated)
    assert settings.table("toy") == {
        "partition": None,
        "options": None,
        "grace": timedelta(seconds=5),
        "size": None,
    }
    assert list(settings.explain("toy")) == ["grace"]
    assert settings.core("poll_interval") == timedelta(seconds=15)
    assert settings.table("unknown") == {}


def test_the_core_settings_stand_at_the_top_of_files(isolated: Path) -> None:
    """They need no table, and a site or the environment sets them likewise."""
    assert load(isolated, site=Site()).core("poll_interval") == timedelta(minutes=1)
    write_project(isolated, "system = 'toy'\ninherit_env = 'HOME'\n")
    settings = load(isolated, {"ANYBATCH_POLL_INTERVAL": "3m"}, site=Site())
    assert (settings.core("system"), settings.core("inherit_env")) == ("toy", ("HOME",))
    assert settings.core("poll_interval") == timedelta(minutes=3)


def test_every_default_of_the_core_fits(isolated: Path) -> None:
    """The core's own declarations pass the core's own check, and each has a help text."""
    values = load(isolated).explain("anybatch")
    assert set(values) == {s.name for s in CORE_SETTINGS if s.default is not None}
    assert all(setting.help for setting in CORE_SETTINGS)


# -- Files ----------------------------------------------------------------------------------


def give(path: Path, mode: int, owner: int | None = None) -> None:
    """Change a file's mode, and its owner where this process can."""
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, -1)


STRANGER = 12345  #: no user of this machine
AS_ROOT = [STRANGER] if os.geteuid() == 0 else []


@pytest.mark.parametrize(
    ("what", "mode", "owner", "why"),
    [
        ("anybatch.toml", 0o666, None, "everybody can write to it (mode 0666)"),
        (".", 0o777, None, "its folder {}: everybody can write to it (mode 0777)"),
        *[
            ("anybatch.toml", 0o644, one, f"it belongs to user {one}, not to you")
            for one in AS_ROOT
        ],
        *[(".", 0o755, one, f"it belongs to user {one}, not to you") for one in AS_ROOT],
    ],
)
def test_a_file_that_others_could_have_written_is_not_read(
    isolated: Path, what: str, mode: int, owner: int | None, why: str
) -> None:
    """It could name any command. Who owns it is said, and how to trust it; then it is read."""
    write_project(isolated, "[toy]\npartition = 'theirs'\n")
    file = isolated / "anybatch.toml"
    give(isolated / what, mode, owner)
    notices: list[str] = []
    plugins = Hooks(plugins_of(toy=Toy()))
    settings = load_settings(plugins, {}, isolated, notices.append)
    assert settings.table("toy")["partition"] is None
    assert (settings.files, settings.project) == ((), None)
    [notice] = notices
    assert notice.startswith(f"{file} is not read: ")
    assert why.format(isolated) in notice
    assert f"ANYBATCH_TRUST={file}" in notice
    for trusted in (file, isolated, isolated.parent):
        again = load_settings(
            plugins, {"ANYBATCH_TRUST": f"{trusted},/x"}, isolated, notices.append
        )
        assert again.table("toy")["partition"] == "theirs"
        assert again.project == file
    for other in (isolated / "b", "anybatch.toml", ".", "", f"{isolated}x"):
        load_settings(plugins, {"ANYBATCH_TRUST": str(other)}, isolated, notices.append)
        assert notices.pop() == notice


def test_files_are_trusted_in_the_user_s_own_file_only(isolated: Path) -> None:
    """Else a file could say of itself that it is to be trusted."""
    write_user(isolated, f"trust = ['{isolated}']\n")
    write_project(isolated, "[toy]\npartition = 'ours'\n")
    isolated.chmod(0o777)
    assert load(isolated).table("toy")["partition"] == "ours"
    write_project(isolated, f"trust = ['{isolated}']\n")
    with pytest.raises(SettingError, match=r"trust can only be set in .*config"):
        load(isolated)


def test_the_user_s_file_is_read_only_from_its_user(isolated: Path) -> None:
    """A folder of settings that everybody can write to is no one's."""
    file = write_user(isolated, "[toy]\npartition = 'mine'\n")
    file.parent.chmod(0o777)
    notices: list[str] = []
    settings = load_settings(Hooks(plugins_of(toy=Toy())), {}, isolated, notices.append)
    assert settings.table("toy")["partition"] is None
    assert [f"{file} is not read" in notice for notice in notices] == [True]


def test_what_is_not_trusted_hides_nothing_above_it(isolated: Path) -> None:
    """Somebody's file in a folder for everybody neither counts nor stands in the way."""
    write_project(isolated, "[toy]\npartition = 'mine'\n")
    shared = isolated / "shared"
    shared.mkdir()
    (shared / "anybatch.toml").write_text("[toy]\npartition = 'theirs'\n")
    shared.chmod(0o777)
    settings = load(shared)
    assert settings.table("toy")["partition"] == "mine"
    assert settings.project == isolated / "anybatch.toml"


def test_a_file_of_one_s_own_is_read_in_a_folder_with_the_sticky_bit(isolated: Path) -> None:
    """In /tmp nobody can replace what belongs to somebody else."""
    write_project(isolated, "[toy]\npartition = 'mine'\n")
    isolated.chmod(0o1777)
    assert load(isolated).table("toy")["partition"] == "mine"


def test_a_link_is_what_it_leads_to(isolated: Path) -> None:
    """A link of one's own into a folder that others can write is not believed."""
    shared = isolated.parent / "shared"
    shared.mkdir()
    (shared / "anybatch.toml").write_text("[toy]\npartition = 'theirs'\n")
    (isolated / "anybatch.toml").symlink_to(shared / "anybatch.toml")
    assert load(isolated).table("toy")["partition"] == "theirs"
    shared.chmod(0o777)
    assert load(isolated).table("toy")["partition"] is None


def test_project_files_are_merged_upwards(isolated: Path) -> None:
    """Key by key, also inside of tables; the nearest file wins, and tells where the project is."""
    deep = isolated / "a/b/c"
    deep.mkdir(parents=True)
    far = write_project(isolated, "[toy]\npartition = 'far'\nsize = 7\noptions = {a = 1, b = 1}\n")
    assert load(deep).table("toy")["partition"] == "far"
    near = isolated / "a/anybatch.toml"
    near.write_text("[toy]\npartition = 'near'\noptions = {b = 2}\n")
    (isolated / "a/b/anybatch.toml").mkdir()
    settings = load(deep)
    assert (settings.project, settings.files) == (near, (far, near))
    assert settings.table("toy")["partition"] == "near"
    assert settings.table("toy")["size"] == 7
    assert settings.table("toy")["options"] == {"a": "1", "b": "2"}
    assert settings.explain("toy")["size"].source == str(far)


def test_a_file_that_is_not_believed_costs_only_itself(isolated: Path) -> None:
    """Those above and below it hold."""
    deep = isolated / "a/b"
    deep.mkdir(parents=True)
    write_project(isolated, "[toy]\npartition = 'far'\n")
    theirs = isolated / "a/anybatch.toml"
    theirs.write_text("[toy]\npartition = 'theirs'\nsize = 9\n[job]\nsetup = 'evil'\n")
    theirs.chmod(0o666)
    (deep / "anybatch.toml").write_text("[toy]\ngrace = 3\n")
    settings = load(deep)
    assert settings.table("toy")["partition"] == "far"
    assert settings.table("toy")["size"] is None
    assert settings.table("toy")["grace"] == timedelta(seconds=3)
    assert settings.jobs == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[toy]\npartion = 'x'", "[toy] in {file}: unknown setting 'partion'; did you mean"),
        ("poll_intervall = 5", "{file}: unknown setting 'poll_intervall'; did you mean"),
        ("[toy]\ngrace = 'soon'", "setting toy.grace ({file}): invalid duration 'soon'"),
        ("poll_interval = 'x'", "setting poll_interval ({file}): invalid duration 'x'"),
        ("[toy]\noptions = 5", "setting toy.options ({file}): 5 is not a table"),
        ("[toy\n", "{file} is not valid TOML: "),
        ("system = 'a'\nsystem = 'b'", "{file} is not valid TOML: "),
    ],
)
def test_a_bad_file_is_named(isolated: Path, text: str, problem: str) -> None:
    """The error tells the file, the setting, what is wrong and what may have been meant."""
    file = write_project(isolated, text)
    with pytest.raises(SettingError) as caught:
        load(isolated)
    assert problem.format(file=file) in str(caught.value)


def test_a_file_of_other_bytes_is_no_toml(isolated: Path) -> None:
    """A file in another encoding is refused, not read wrongly."""
    file = isolated / "anybatch.toml"
    file.write_bytes(b"system = 'caf\xe9'")
    with pytest.raises(SettingError, match=f"{file} is not valid TOML"):
        load(isolated)


def test_a_file_that_cannot_be_read_is_named(isolated: Path) -> None:
    """A file that is there and gives an error when read is no reason to go on without it."""
    file = isolated / "anybatch.toml"
    file.symlink_to("/proc/self/mem")
    with pytest.raises(SettingError, match=f"cannot read {file}: Input/output error"):
        load(isolated)


def test_a_file_may_name_plugins_that_are_not_installed(isolated: Path) -> None:
    """A project file is shared between sites, so their tables are left out."""
    write_project(isolated, "[elsewhere]\npartition = 'x'\n[toy]\npartition = 'y'\n")
    settings = load(isolated)
    assert settings.table("toy")["partition"] == "y"
    assert "elsewhere" not in settings.declared


# -- The call -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"tyo": {"partition": "x"}}, "call: no plugin named 'tyo'; did you mean 'toy'?"),
        ({"zzz": {}}, "call: no plugin named 'zzz'"),
        ({"toy": {"partion": "x"}}, "[toy] in call: unknown setting 'partion'; did you mean"),
        ({"toy": {"size": "x"}}, "setting toy.size (call): invalid size 'x'"),
        ({"anybatch": {"sistem": "x"}}, "call: unknown setting 'sistem'; did you mean 'system'?"),
    ],
)
def test_a_call_is_checked_strictly(isolated: Path, tables: Any, problem: str) -> None:
    """From the call itself an unknown plugin is an error too."""
    with pytest.raises(SettingError) as caught:
        load(isolated).with_layer("call", tables)
    assert problem in str(caught.value)


def test_hyphens_and_underscores_are_the_same(isolated: Path) -> None:
    """A setting `a-text` can be written `a_text`, as Python and the environment need it."""
    settings = load(isolated).with_layer("call", {"all_kinds": {"a_text": "x"}})
    assert settings.table("all_kinds")["a-text"] == "x"


# -- The environment ------------------------------------------------------------------------


def test_the_environment_names_plugin_and_key(isolated: Path) -> None:
    """ANYBATCH_<PLUGIN>__<KEY>, with an underscore for each hyphen."""
    environ = {
        "ANYBATCH_TOY__PARTITION": "x",
        "ANYBATCH_ALL_KINDS__A_TEXT": "y",
        "ANYBATCH_ALL_KINDS__COLOUR": "red",
        "ANYBATCH_SYSTEM": "toy",
        "OTHER_TOY__PARTITION": "z",
    }
    settings = load(isolated, environ)
    kinds = settings.table("all_kinds")
    assert (settings.table("toy")["partition"], kinds["a-text"]) == ("x", "y")
    assert (kinds["colour"], settings.core("system")) == ("red", "toy")


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("ANYBATCH_TOY__PARTION", "x", "did you mean 'toy.partition'?"),
        ("ANYBATCH_TOY__SIZE", "x", "setting toy.size (ANYBATCH_TOY__SIZE): invalid size 'x'"),
        (
            "ANYBATCH_TOY__OPTIONS",
            "x",
            "setting toy.options (ANYBATCH_TOY__OPTIONS): 'x' is not a table",
        ),
        ("ANYBATCH_TYO__SIZE", "1", "environment variable ANYBATCH_TYO__SIZE: no such setting"),
        (
            "ANYBATCH_LOST_AFTER",
            "x",
            "setting lost_after (ANYBATCH_LOST_AFTER): invalid duration 'x'",
        ),
        ("ANYBATCH_TOY__PARTITION", "a\nb", "must be a single line"),
    ],
)
def test_a_bad_variable_is_named(isolated: Path, variable: str, text: str, problem: str) -> None:
    """The error tells the variable and what is wrong with it."""
    with pytest.raises(SettingError) as caught:
        load(isolated, {variable: text})
    assert variable in str(caught.value)
    assert problem in str(caught.value)


def test_what_jobs_find_in_their_environment_is_no_setting(isolated: Path) -> None:
    """A program that submits from within a job is not refused for the job's own variables."""
    names = ("INDEX", "RUN", "COUNT", "ATTEMPT", "ENGINES", "DISABLED_PLUGINS", "WHATEVER")
    settings = load(isolated, {f"ANYBATCH_{name}": "1" for name in names})
    assert {value.source for value in settings.explain("anybatch").values()} == {"default"}


# -- Kinds ----------------------------------------------------------------------------------

TEXTS = [
    (Kind.TEXT, "a b", "a b"),
    (Kind.TEXT, "", ""),
    (Kind.INTEGER, "12", 12),
    (Kind.INTEGER, "-1", -1),
    (Kind.NUMBER, "1", 1),
    (Kind.NUMBER, "1.5", 1.5),
    (Kind.FLAG, "true", True),
    (Kind.FLAG, " Yes ", True),
    (Kind.FLAG, "on", True),
    (Kind.FLAG, "1", True),
    (Kind.FLAG, "OFF", False),
    (Kind.FLAG, "no", False),
    (Kind.FLAG, "0", False),
    (Kind.SIZE, "2 GiB", 2 * 1024**3),
    (Kind.SIZE, "2048B", 2048),
    (Kind.DURATION, "1h30m", timedelta(minutes=90)),
    (Kind.LIST, "a, b ,,c", ("a", "b", "c")),
    (Kind.LIST, "", ()),
    (Kind.LIST, '["a, b", "c"]', ("a, b", "c")),
    (Kind.LIST, " ['a,b',] ", ("a,b",)),
    (Kind.LIST, "[]", ()),
    (Kind.LIST, "[A-Z]*,x", ("[A-Z]*", "x")),
    (Kind.OPTION, "x=y", "x=y"),
    (Kind.OPTION, "5", "5"),
    (Kind.OPTION, "True", True),
    (Kind.OPTION, "false", False),
]


@pytest.mark.parametrize(("kind", "text", "value"), TEXTS)
def test_each_kind_is_read_from_text(kind: Kind, text: str, value: object) -> None:
    """The environment and the command line give texts, which are read as the kind says."""
    found = read_text("toy", Setting(name="x", kind=kind), text, "here")
    assert (found, type(found)) == (value, type(value))


NATIVE = [
    (Kind.TEXT, "a", "a"),
    (Kind.INTEGER, 12, 12),
    (Kind.NUMBER, 1.5, 1.5),
    (Kind.NUMBER, 2, 2),
    (Kind.FLAG, False, False),
    (Kind.SIZE, 2048, 2048),
    (Kind.SIZE, "2k", 2048),
    (Kind.DURATION, 90, timedelta(seconds=90)),
    (Kind.LIST, ["a", "b, c"], ("a", "b, c")),
    (Kind.LIST, "a, b", ("a, b",)),
    (Kind.TABLE, {"a": 1, "b": "x"}, {"a": "1", "b": "x"}),
    (Kind.OPTION, True, True),
    (Kind.OPTION, 5, 5),
    (Kind.OPTION, "x", "x"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), NATIVE)
def test_each_kind_is_read_from_toml(kind: Kind, value: object, expected: object) -> None:
    """Files and programs give values with a type."""
    assert check("toy", Setting(name="x", kind=kind), value, "here") == expected


def test_every_kind_is_in_the_tables() -> None:
    """No kind is left out; a table cannot be written as a text."""
    assert {kind for kind, _, _ in NATIVE} == set(Kind)
    assert {kind for kind, _, _ in TEXTS} == set(Kind) - {Kind.TABLE}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.TEXT, 5),
        (Kind.TEXT, True),
        (Kind.TEXT, ["a"]),
        (Kind.INTEGER, 1.5),
        (Kind.INTEGER, True),
        (Kind.INTEGER, "x"),
        (Kind.NUMBER, False),
        (Kind.NUMBER, "x"),
        (Kind.FLAG, "maybe"),
        (Kind.FLAG, 1),
        (Kind.SIZE, 1.5),
        (Kind.SIZE, "x"),
        (Kind.DURATION, "90"),
        (Kind.DURATION, 0),
        (Kind.LIST, 5),
        (Kind.LIST, ["a", 5]),
        (Kind.TABLE, "x"),
        (Kind.TABLE, ["x"]),
        (Kind.OPTION, ["x"]),
        (Kind.OPTION, {"a": "b"}),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Kind, value: object) -> None:
    """The error begins with the setting and its source."""
    with pytest.raises(SettingError, match=r"^setting toy\.x \(here\): "):
        check("toy", Setting(name="x", kind=kind), value, "here")


def test_a_choice_is_one_of_those_named() -> None:
    """The error lists them and offers the nearest."""
    setting = Setting(name="colour", choices=("red", "green"))
    assert check("toy", setting, "red", "here") == "red"
    with pytest.raises(
        SettingError, match=r"'gren' is not one of: red, green; did you mean 'green'"
    ):
        check("toy", setting, "gren", "here")


@given(
    st.text(max_size=5), st.sampled_from("\0\n\r"), st.text(max_size=5), st.sampled_from(list(Kind))
)
def test_no_value_has_a_second_line(before: str, end: str, after: str, kind: Kind) -> None:
    """What could add a directive to a submit file is refused in texts, lists and tables."""
    text = f"a{before}{end}{after}b"
    value: object = {Kind.LIST: ["x", text], Kind.TABLE: {"x": text}}.get(kind, text)
    with pytest.raises(SettingError, match=r"setting toy\.x \(here\)"):
        check("toy", Setting(name="x", kind=kind), value, "here")
    if kind is Kind.TABLE:
        with pytest.raises(SettingError, match="must be a single line"):
            check("toy", Setting(name="x", kind=kind), {text: "x"}, "here")


# -- Assignments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("toy.partition=a=b", ("toy", "partition", "a=b")),
        ("toy.partition=", ("toy", "partition", "")),
        ("all_kinds.a_flag=yes", ("all_kinds", "a-flag", True)),
        ("all_kinds.a-list=a,b", ("all_kinds", "a-list", ("a", "b"))),
        ("system=toy", ("anybatch", "system", "toy")),
    ],
)
def test_assignments_are_read(isolated: Path, text: str, found: tuple[str, str, Any]) -> None:
    """`plugin.key=value` for a plugin, `key=value` for the core."""
    assert parse_assignment(text, load(isolated)) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("toy.partition", "invalid value 'toy.partition': expected PLUGIN.KEY=VALUE"),
        ("tyo.partition=x", "no plugin named 'tyo'; did you mean 'toy'?"),
        ("toy.partion=x", "unknown setting 'partion' of toy; did you mean 'partition'?"),
        ("sistem=x", "unknown setting 'sistem' of anybatch; did you mean 'system'?"),
        ("toy.size=x", "setting toy.size ('toy.size=x'): invalid size 'x'"),
        ("toy.options=x", "'x' is not a table"),
        ("toy.partition=a\nb", "must be a single line"),
        ("=x", "unknown setting ''"),
        ("", "invalid value ''"),
    ],
)
def test_a_bad_assignment_is_explained(isolated: Path, text: str, problem: str) -> None:
    """The error quotes it and says what is wrong."""
    with pytest.raises(SettingError) as caught:
        parse_assignment(text, load(isolated))
    assert problem in str(caught.value)


# -- Names that stand for many ----------------------------------------------------------------


class Many:
    """A plugin with settings that one declaration stands for."""

    @hookimpl
    def anybatch_settings(self) -> list[Setting]:
        return [
            Setting(name="requirements"),
            Setting(name="+*", kind=Kind.OPTION, help="Any attribute."),
            Setting(name="MY.*", kind=Kind.INTEGER),
        ]


def load_many(folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(Hooks(plugins_of(many=Many())), environ or {}, folder)


def test_a_name_that_stands_for_many_is_set_by_every_source(isolated: Path) -> None:
    """File, environment, call and command line; what is set is in the table by its own name."""
    write_project(isolated, "[many]\n'+File' = '\"a b\"'\n'MY.Both' = 1\n")
    settings = load_many(isolated, {"ANYBATCH_MANY__+ENV": "true"})
    settings = settings.with_layer("call", {"many": {"MY.Both": 2, "+x": 1.5}})
    assert settings.table("many") == {
        **{"requirements": None, "+File": '"a b"', "MY.Both": 2},
        **{"+ENV": True, "+x": 1.5},
    }
    explained = settings.explain("many")
    assert explained["MY.Both"] == Value(2, "call")
    assert explained["+File"].source == str(isolated / "anybatch.toml")
    assert explained["+ENV"].source == "environment"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('many.+JobFlavour="longlunch"', ("many", "+JobFlavour", '"longlunch"')),
        ("many.+A=b=c", ("many", "+A", "b=c")),
        ("many.MY.x=3", ("many", "MY.x", 3)),
        ("many.MY.a.b=3", ("many", "MY.a.b", 3)),
    ],
)
def test_a_name_that_stands_for_many_is_read_from_a_command_line(
    isolated: Path, text: str, found: tuple[str, str, Any]
) -> None:
    """What follows the plugin's name, up to the first `=`, with its dots and its case."""
    assert parse_assignment(text, load_many(isolated)) == found


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("requirments", "x", "unknown setting 'requirments'; did you mean 'requirements'?"),
        ("MYx", 1, "unknown setting 'MYx'"),
        ("my.x", 1, "unknown setting 'my.x'"),
        ("+*", "x", "unknown setting '+*'"),
        ("MY.*", 1, "unknown setting 'MY.*'"),
        ("+a*", 1, "unknown setting '+a*'"),
        ("MY.x", "text", "setting many.MY.x (call): 'text' is not an integer"),
        ("+x", "a\nqueue", "setting many.+x (call): 'a\\nqueue' must be a single line"),
        ("+x", [1], "setting many.+x (call): [1] is not a string, a number, true or false"),
    ],
)
def test_a_name_that_stands_for_many_is_checked_like_any_other(
    isolated: Path, name: str, value: object, problem: str
) -> None:
    """Its value by the kind of the declaration; the pattern itself is no name."""
    with pytest.raises(SettingError) as caught:
        load_many(isolated).with_layer("call", {"many": {name: value}})
    assert problem in str(caught.value)


def test_a_run_keeps_what_one_declaration_stands_for(isolated: Path) -> None:
    """Its settings are read back from its folder with their types, and no pattern among them."""
    with session_of(isolated, Toy(), others={"many": Many()}) as session:
        fitted = session.settings.restore_types(
            "many", {"+x": 1.5, "MY.y": 2, "requirements": "r", "old": 1}
        )
    assert fitted == {"requirements": "r", "+x": 1.5, "MY.y": 2}


# -- Plugins that declare rubbish ------------------------------------------------------------


@pytest.mark.parametrize("records", [("rubbish",), (None, Setting(name="ok")), ("", 5)])
def test_a_wrong_record_costs_only_itself(isolated: Path, records: tuple[object, ...]) -> None:
    """What is neither a setting nor a site's default is put on record, the rest holds."""
    plugins = plugins_of(toy=Toy(), site=Site(*records))
    settings = load_settings(Hooks(plugins), {}, isolated)
    assert (
        "anybatch_settings must return Setting or SiteDefault, not" in plugins.problems("site")[0]
    )
    assert settings.table("toy")["grace"] == timedelta(seconds=5)
    assert list(settings.table("site")) == [r.name for r in records if isinstance(r, Setting)]


def test_a_wrong_answer_costs_only_its_plugin(isolated: Path) -> None:
    """An answer that is no list at all is put on record too."""

    class Wrong:
        @hookimpl
        def anybatch_settings(self) -> int:
            return 5

    plugins = plugins_of(toy=Toy(), wrong=Wrong())
    settings = load_settings(Hooks(plugins), {}, isolated)
    assert plugins.problems("wrong") == ["anybatch_settings returned 5; it must return a sequence"]
    assert settings.table("toy")["grace"] == timedelta(seconds=5)
