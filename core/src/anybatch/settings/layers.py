"""Settings as layers of tables, each with its source. Tables are merged key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import SettingError, did_you_mean
from anybatch.settings.resource_tables import flattened
from anybatch.settings.schema import CORE, SettingsSchema, same_name
from anybatch.settings.values import check, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anybatch.records import Setting


DEFAULT = "default"  #: the source of a plugin's own defaults
SITE = "plugin "  #: before the name of a plugin that gives defaults for others


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


class Settings:
    """All settings of a session.

    Args:
        declared: the settings that each plugin declares, by its name.
        layers: sources, lowest first, values checked.
        files: the settings files that were read.
        project: the nearest one of the project.
        jobs: the tables `[job]` of these files, unchecked, lowest first.
    """

    def __init__(
        self,
        declared: Mapping[str, SettingsSchema],
        layers: Iterable[Layer],
        *,
        files: tuple[Path, ...] = (),
        project: Path | None = None,
        jobs: tuple[tuple[Path, Mapping[str, Any]], ...] = (),
    ):
        self.declared = declared
        self.files = files
        self.project = project
        self.jobs = jobs
        self._layers = tuple(layers)
        self._tables: dict[str, dict[str, Any]] = {}

    def explain(self, plugin: str) -> dict[str, Value]:
        """Each setting of *plugin* that has a value, with its source."""
        values = {
            name: Value(check(plugin, setting, setting.default, DEFAULT), DEFAULT)
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
            known = self.declared.get(plugin, SettingsSchema())
            values = self.explain(plugin) if known else {}
            found = {name: value.value for name, value in values.items()}
            self._tables[plugin] = {**dict.fromkeys(n for n in known if "*" not in n), **found}
        return dict(self._tables[plugin])

    def strongest(self, plugin: str, names: Iterable[str]) -> tuple[str, Value] | None:
        """The first of *names* that the strongest source has which has one of them."""
        names = tuple(names)
        for layer in reversed(self._layers):
            table = layer.tables.get(plugin, {})
            for name in names:
                if name in table:
                    return name, Value(table[name], layer.source)
        return None

    def core(self, name: str) -> Any:
        """One of the core's own settings."""
        return self.table(CORE)[name]

    def restore_types(self, plugin: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A plugin's settings, read from JSON, as it declares them.

        Raises:
            SettingError: a value does not fit.
        """
        known = self.declared.get(plugin, SettingsSchema())
        restored = {
            name: check(plugin, known[name], value, "run")
            for name, value in values.items()
            if name in known and value is not None
        }
        return {**dict.fromkeys(name for name in known if "*" not in name), **restored}

    def with_layer(
        self, source: str, tables: Mapping[str, Mapping[str, Any]], *, lowest: bool = False
    ) -> Settings:
        """These settings with one more layer, above all others or below them.

        Raises:
            SettingError: an unknown name or a value that does not fit.
        """
        if not tables:
            return self
        layer = checked_layer(self.declared, source, tables)
        layers = [layer, *self._layers] if lowest else [*self._layers, layer]
        files, project, jobs = self.files, self.project, self.jobs
        return Settings(self.declared, layers, files=files, project=project, jobs=jobs)

    def checked(self, tables: Mapping[str, Mapping[str, Any]]) -> Layer:
        """Settings of a call, as these settings declare them.

        Raises:
            SettingError: an unknown name or a value that does not fit.
        """
        return checked_layer(self.declared, "call", tables)


def _merged(lower: Value | None, value: Any) -> Any:
    if lower is not None and isinstance(lower.value, dict) and isinstance(value, dict):
        return {**lower.value, **value}
    return value


def spelt(settings: Mapping[str, Setting], key: str) -> str:
    """*key* as the plugin spells it: `JOB_NAME` is `job-name`."""
    if key in settings:
        return key
    return next((name for name in settings if same_name(name, key)), key.lower())


def _are_tables(tables: object) -> bool:
    return isinstance(tables, Mapping) and all(
        isinstance(name, str) and isinstance(own, Mapping) and all(isinstance(k, str) for k in own)
        for name, own in tables.items()
    )


def checked_layer(
    declared: Mapping[str, SettingsSchema],
    source: str,
    tables: Mapping[str, Mapping[str, Any]],
) -> Layer:
    """A layer whose names are all declared and whose values all fit.

    A table of a plugin that is not installed is left out, for a project file is shared between
    sites; from the call itself it is an error.
    """
    checked: dict[str, dict[str, Any]] = {}
    if not _are_tables(tables):
        example = "{'slurm': {'partition': 'long'}}"
        raise SettingError(f"{source}: settings must be dicts by plugin, such as {example}")
    for table, values in tables.items():
        values = flattened(table, values)
        if table not in declared:
            if source == "call":
                hint = did_you_mean(table, declared)
                raise SettingError(f"{source}: no plugin named {table!r}{hint}")
            continue
        for key, value in values.items():
            name = spelt(declared[table], key)
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
        raise SettingError(f"invalid value {text!r}: expected PLUGIN.KEY=VALUE")
    table, rest = (table, rest) if dot else (CORE, key)
    if table not in settings.declared:
        hint = did_you_mean(table, settings.declared)
        raise SettingError(f"{text!r}: no plugin named {table!r}{hint}")
    name = spelt(settings.declared[table], rest)
    if name not in settings.declared[table]:
        hint = settings.declared[table].hint(rest)
        raise SettingError(f"{text!r}: unknown setting {rest!r} of {table}{hint}")
    setting = settings.declared[table][name]
    source = repr(key if setting.shown else text)
    return table, name, read_text(table, setting, value, source)
