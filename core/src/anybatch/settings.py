"""Settings: where each value comes from, checked against what plugins declare.

Lowest to highest: plugin default, site plugin, user file, project file, environment, the
call's own. Tables are merged key by key and never changed in place.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import platformdirs

from anybatch.errors import SettingError, did_you_mean
from anybatch.records import Kind, Setting, SiteDefault
from anybatch.units import parse_duration, parse_size

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anybatch.plugins import Plugins

CORE = "anybatch"  #: the table of the core's own settings; in files they stand at the top
PROJECT_FILE = "anybatch.toml"

CORE_SETTINGS = (
    Setting(name="system", default="auto", help="Batch system; `auto` takes what is there."),
    Setting(
        name="inherit_env",
        kind=Kind.LIST,
        default=(
            "PATH",
            "LD_LIBRARY_PATH",
            "PYTHONPATH",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "MODULEPATH",
            "LANG",
            "LC_*",
            "TZ",
        ),
        help="Variables (names or patterns) that jobs get from the submitting program; "
        "`*` for all but what batch systems set themselves.",
    ),
    Setting(
        name="runs_dir",
        help="Where run folders go, seen by workers; default: `.anybatch/runs` beside "
        "`anybatch.toml`, else in the current folder.",
    ),
    Setting(
        name="submit_timeout",
        kind=Kind.DURATION,
        default="2m",
        help="How long a submit command may take before it is ended and looked into; a plugin may "
        "add to it for each job.",
    ),
    Setting(
        name="poll_interval",
        kind=Kind.DURATION,
        default="15s",
        help="Shortest pause between two questions to the batch system in steady state; "
        "it grows with the age of the jobs and the cost of the question.",
    ),
    Setting(
        name="lost_after",
        kind=Kind.DURATION,
        default="2m",
        help="How long a job may be unknown to everything asked before it counts as lost.",
    ),
)

_LITERALS = {"true": True, "yes": True, "on": True, "1": True}
_LITERALS |= {"false": False, "no": False, "off": False, "0": False}


@attrs.frozen
class Layer:
    """Settings from one source: tables by plugin name."""

    source: str
    tables: Mapping[str, Mapping[str, Any]]


@attrs.frozen
class Value:
    """A setting's value and where it comes from."""

    value: Any
    source: str


class Declared(dict[str, Setting]):
    """A plugin's settings by name. A name with `*` stands for all names that match it.

    Attributes:
        refused: what to use instead of those that cannot be set.
    """

    def __init__(self, settings: Iterable[Setting] = ()) -> None:
        super().__init__()
        self.refused: dict[str, str] = {}
        for setting in settings:
            self.add(setting)

    def add(self, setting: Setting) -> None:
        """Take one more setting."""
        if setting.instead:
            self.refused[setting.name] = setting.instead
        else:
            self[setting.name] = setting

    def hint(self, name: str) -> str:
        """What the user may have meant by a name that is none of these."""
        instead = next((self.refused[key] for key in self.refused if _same(key, name)), "")
        return f": {instead}" if instead else did_you_mean(name, self)

    def __contains__(self, name: object) -> bool:
        return "*" not in str(name) and (
            super().__contains__(name) or self._pattern(str(name)) is not None
        )

    def __missing__(self, name: str) -> Setting:
        pattern = self._pattern(name)
        if pattern is None:
            raise KeyError(name)
        return attrs.evolve(self[pattern], name=name)

    def _pattern(self, name: str) -> str | None:
        return next((p for p in self if "*" in p and fnmatch.fnmatchcase(name, p)), None)


class Settings:
    """All settings of a session.

    Args:
        declared: the settings that each plugin declares, by its name.
        layers: sources, lowest first, values checked.
    """

    def __init__(self, declared: Mapping[str, Declared], layers: Iterable[Layer]):
        self.declared = declared
        self._layers = tuple(layers)
        self._tables: dict[str, dict[str, Any]] = {}

    def explain(self, plugin: str) -> dict[str, Value]:
        """Each setting of *plugin* that has a value, with its source."""
        values = {
            name: Value(check(plugin, setting, setting.default, "default"), "default")
            for name, setting in self.declared[plugin].items()
            if setting.default is not None
        }
        for layer in self._layers:
            for name, value in layer.tables.get(plugin, {}).items():
                values[name] = Value(_merged(values.get(name), value), layer.source)
        return values

    def table(self, plugin: str) -> dict[str, Any]:
        """The settings of *plugin*: every declared name, None where it has no value."""
        if plugin not in self._tables:
            known = self.declared.get(plugin, Declared())
            values = self.explain(plugin) if known else {}
            found = {name: value.value for name, value in values.items()}
            self._tables[plugin] = {**dict.fromkeys(n for n in known if "*" not in n), **found}
        return dict(self._tables[plugin])

    def core(self, name: str) -> Any:
        """One of the core's own settings."""
        return self.table(CORE)[name]

    def with_layer(
        self, source: str, tables: Mapping[str, Mapping[str, Any]], *, lowest: bool = False
    ) -> Settings:
        """These settings with one more layer, above all others or below them.

        Raises:
            SettingError: an unknown name or a value that does not fit.
        """
        if not tables:
            return self
        layer = self._checked(source, tables)
        layers = [layer, *self._layers] if lowest else [*self._layers, layer]
        return Settings(self.declared, layers)

    def _checked(self, source: str, tables: Mapping[str, Mapping[str, Any]]) -> Layer:
        return checked_layer(self.declared, source, tables)


def _merged(lower: Value | None, value: Any) -> Any:
    if lower is not None and isinstance(lower.value, dict) and isinstance(value, dict):
        return {**lower.value, **value}
    return value


def load_settings(plugins: Plugins, environ: Mapping[str, str], folder: Path) -> Settings:
    """All layers but the call's own.

    Args:
        environ: where `ANYBATCH_*` variables are looked up.
        folder: where the search for `anybatch.toml` begins, upwards.

    Raises:
        SettingError: an unknown name, a value that does not fit, a file that is no TOML.
    """
    declared, site = _declarations(plugins)
    layers = list(_site_layers(plugins, declared, site))
    for path in settings_files(folder):
        layers.append(checked_layer(declared, str(path), _read_file(path, declared)))
    layers.append(_environment_layer(declared, environ))
    return Settings(declared, layers)


def settings_files(folder: Path) -> list[Path]:
    """The files that are there to be read, lowest first: the user's, the project's."""
    user_file = platformdirs.user_config_path("anybatch") / PROJECT_FILE
    return [path for path in (user_file, project_file(folder)) if path and path.is_file()]


def _site_layers(
    plugins: Plugins,
    declared: Mapping[str, Declared],
    site: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]],
) -> Iterator[Layer]:
    """The defaults of site plugins; one that gives wrong ones costs only itself."""
    for name, tables in site:
        try:
            yield checked_layer(declared, f"plugin {name}", tables)
        except SettingError as error:
            plugins.fault(name, str(error))


def project_file(folder: Path) -> Path | None:
    """The nearest `anybatch.toml` in *folder* or above it."""
    for candidate in (folder, *folder.parents):
        if (candidate / PROJECT_FILE).is_file():
            return candidate / PROJECT_FILE
    return None


def _declarations(
    plugins: Plugins,
) -> tuple[dict[str, Declared], list[tuple[str, dict[str, dict[str, Any]]]]]:
    declared: dict[str, Declared] = {CORE: Declared(CORE_SETTINGS)}
    site = []
    for plugin in plugins:
        declared[plugin.name] = Declared()
    for plugin, records in plugins.collect("anybatch_settings", {p.name: {} for p in plugins}):
        defaults: dict[str, dict[str, Any]] = {}
        if not hasattr(records, "__iter__"):
            plugins.fault(plugin.name, f"anybatch_settings gave {records!r:.100}")
            continue
        for record in records:
            if isinstance(record, Setting):
                declared[plugin.name].add(record)
            elif isinstance(record, SiteDefault):
                table, name = _split(record.name)
                defaults.setdefault(table, {})[name] = record.value
            else:
                plugins.fault(plugin.name, f"anybatch_settings gave {record!r:.100}")
        if defaults:
            site.append((plugin.name, defaults))
    return declared, site


def _split(name: str) -> tuple[str, str]:
    table, dot, key = name.partition(".")
    return (table, key) if dot else (CORE, name)


def _read_file(path: Path, declared: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is no valid TOML: {error}") from error
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from error
    top = {name: value for name, value in content.items() if not isinstance(value, dict)}
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    return {CORE: top, **tables} if top else tables


def _environment_layer(declared: Mapping[str, Declared], environ: Mapping[str, str]) -> Layer:
    tables: dict[str, dict[str, Any]] = {}
    for variable, text in environ.items():
        prefix, _, rest = variable.partition("_")
        if prefix != "ANYBATCH" or rest in _NOT_SETTINGS:
            continue
        plugin, separator, key = rest.partition("__")
        table = plugin.lower().replace("_", "-") if separator else CORE
        table = next((name for name in declared if _same(name, table)), table)
        name = _spelt(declared.get(table, {}), key if separator else rest)
        if table == CORE and name not in declared[CORE]:
            continue  # ANYBATCH_INDEX and its like, which a job finds in its environment
        if table not in declared or name not in declared[table]:
            known = [f"{table}.{key}" for key in declared.get(table, {})] or list(declared)
            hint = did_you_mean(f"{table}.{name}", known)
            raise SettingError(f"environment variable {variable}: no such setting{hint}")
        setting = declared[table][name]
        tables.setdefault(table, {})[name] = read_text(table, setting, text, variable)
    return Layer("environment", tables)


_NOT_SETTINGS = frozenset({"DISABLED_PLUGINS", "INDEX", "RUN", "COUNT", "ATTEMPT", "ENGINES"})


def _same(name: str, other: str) -> bool:
    return name.lower().replace("_", "-") == other.lower().replace("_", "-")


def _spelt(settings: Mapping[str, Setting], key: str) -> str:
    """*key* as the plugin spells it: `JOB_NAME` is `job-name`."""
    if key in settings:
        return key
    return next((name for name in settings if _same(name, key)), key.lower())


def checked_layer(
    declared: Mapping[str, Declared],
    source: str,
    tables: Mapping[str, Mapping[str, Any]],
) -> Layer:
    """A layer whose names are all declared and whose values all fit.

    A table of a plugin that is not installed is left out, for a project file is shared between
    sites; from the call itself it is an error.
    """
    checked: dict[str, dict[str, Any]] = {}
    for table, values in tables.items():
        if table not in declared:
            if source == "call":
                hint = did_you_mean(table, declared)
                raise SettingError(f"{source}: there is no plugin {table!r}{hint}")
            continue
        for key, value in values.items():
            name = _spelt(declared[table], key)
            if name not in declared[table]:
                hint = declared[table].hint(key)
                where = f"[{table}] in {source}" if table != CORE else source
                raise SettingError(f"{where}: unknown setting {key!r}{hint}")
            value = check(table, declared[table][name], value, source)
            checked.setdefault(table, {})[name] = value
    return Layer(source, checked)


def parse_assignment(text: str, settings: Settings) -> tuple[str, str, Any]:
    """`slurm.partition=short` from a command line as table, name and value.

    Raises:
        SettingError: no such setting, or a value that does not fit.
    """
    key, equals, value = text.partition("=")
    table, dot, rest = key.partition(".")
    if not equals:
        raise SettingError(f"{text!r} sets nothing; write plugin.key=value")
    table, rest = (table, rest) if dot else (CORE, key)
    if table not in settings.declared:
        hint = did_you_mean(table, settings.declared)
        raise SettingError(f"{text!r}: there is no plugin {table!r}{hint}")
    name = _spelt(settings.declared[table], rest)
    if name not in settings.declared[table]:
        hint = settings.declared[table].hint(rest)
        raise SettingError(f"{text!r}: unknown setting {rest!r} of {table}{hint}")
    setting = settings.declared[table][name]
    return table, name, read_text(table, setting, value, f"{text!r}")


def read_text(table: str, setting: Setting, text: str, source: str) -> Any:
    """A setting's value from a text (environment, command line)."""
    value: Any = text
    if setting.kind is Kind.LIST:
        value = [part.strip() for part in text.split(",") if part.strip()]
    elif setting.kind is Kind.FLAG:
        value = _LITERALS.get(text.strip().lower(), text)
    elif setting.kind is Kind.OPTION and text.lower() in ("true", "false"):
        value = text.lower() == "true"
    elif setting.kind in (Kind.INTEGER, Kind.NUMBER):
        value = _number(text)
    return check(table, setting, value, source)


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def check(table: str, setting: Setting, value: Any, source: str) -> Any:
    """*value* as the plugin gets it.

    Raises:
        SettingError: it does not fit the setting's kind.
    """
    name = setting.name if table == CORE else f"{table}.{setting.name}"
    try:
        return _fit(setting, value)
    except ValueError as error:
        raise SettingError(f"setting {name} ({source}): {error}") from None


def _fit(setting: Setting, value: Any) -> Any:
    if setting.kind is Kind.SIZE:
        return parse_size(value)
    if setting.kind is Kind.DURATION:
        return parse_duration(value)
    if setting.kind is Kind.LIST:
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise ValueError(f"{value!r} is no list of texts")
        return tuple(_text(part) for part in value)
    if setting.kind is Kind.TABLE:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no table")
        return {_text(str(key)): _text(str(part)) for key, part in value.items()}
    if not isinstance(value, _TYPES[setting.kind]) or (
        isinstance(value, bool) and setting.kind not in (Kind.FLAG, Kind.OPTION)
    ):
        raise ValueError(f"{value!r} is no {setting.kind.value}")
    if setting.choices and value not in setting.choices:
        hint = did_you_mean(str(value), setting.choices)
        raise ValueError(f"{value!r} is none of {', '.join(setting.choices)}{hint}")
    return _text(value) if isinstance(value, str) else value


_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.FLAG: (bool,),
    Kind.OPTION: (str, int, float, bool),
}


def _text(value: str) -> str:
    if any(character in value for character in "\0\n\r"):
        raise ValueError(f"{value!r} is more than one line; that could add a directive")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"{value!r} holds half a character ({error.reason})") from None
    return value
