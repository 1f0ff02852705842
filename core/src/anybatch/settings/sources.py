"""Settings: where each value comes from, checked against what plugins declare.

Lowest to highest: plugin default, site plugin, user file, project file, environment, the
call's own. Tables are merged key by key and never changed in place.

Settings name commands that are run. So a file is read only where nobody but this user and root
could have written it, or where the user trusts it by name (`trust`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from anybatch.errors import SettingError, did_you_mean
from anybatch.ownership import distrust
from anybatch.records import Setting, SiteDefault
from anybatch.settings.layers import DEFAULT, SITE, Layer, Settings, checked_layer, spelt
from anybatch.settings.resource_tables import resource_schemas
from anybatch.settings.schema import CORE, CORE_SETTINGS, JOB, TRUST, SettingsSchema, same_name
from anybatch.settings.values import check, read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from anybatch.plugins.calls import Hooks
    from anybatch.plugins.registry import Plugins

PROJECT_FILE = "anybatch.toml"


def load_settings(
    hooks: Hooks,
    environ: Mapping[str, str],
    folder: Path,
    on_notice: Callable[[str], None] = lambda text: None,
) -> Settings:
    """All layers but the call's own.

    Args:
        environ: where `ANYBATCH_*` variables are looked up.
        folder: where the search for `anybatch.toml` begins, upwards to the root. All that are found
            are merged key by key; the nearest wins.
        on_notice: told of files that are not read, because others could have written them.

    Raises:
        SettingError: an unknown name, a value that does not fit, a file that is not TOML.
    """
    declared, site = _declarations(hooks)
    layers = list(_site_layers(hooks, declared, site))
    environment = _environment_layer(declared, environ)
    user = Settings(declared, [environment]).core(TRUST)
    files = _FileLayers(declared)
    for path in _trusted([user_file()], user, on_notice):
        files.read(path)
    trusted = Settings(declared, [*layers, *files.layers, environment]).core(TRUST)
    project = None
    nearest_first = [one / PROJECT_FILE for one in _upwards(folder)]
    for project in _trusted(reversed(nearest_first), trusted, on_notice):
        if TRUST in files.read(project).tables.get(CORE, {}):
            raise SettingError(f"{project}: {TRUST} can only be set in {user_file()}")
    return Settings(
        declared,
        [*layers, *files.layers, environment],
        files=tuple(files.paths),
        project=project,
        jobs=tuple(files.jobs),
    )


class _FileLayers:
    """What settings files say.

    Attributes:
        paths, layers: those that were read, in this order.
        jobs: the tables with defaults for jobs.
    """

    def __init__(self, declared: Mapping[str, SettingsSchema]) -> None:
        self.paths: list[Path] = []
        self.layers: list[Layer] = []
        self.jobs: list[tuple[Path, Mapping[str, Any]]] = []
        self._declared = declared

    def read(self, path: Path) -> Layer:
        try:
            tables = _read_file(path)
            if job := tables.pop(JOB, None):
                self.jobs.append((path, job))
            layer = checked_layer(self._declared, str(path), tables)
            layer = _from_folder(layer, self._declared, path.parent)
        except RecursionError:
            raise SettingError(f"{path} is nested too deeply") from None
        self.paths.append(path)
        self.layers.append(layer)
        return layer


def user_file() -> Path:
    """The file with the user's own settings, whether it is there or not."""
    return platformdirs.user_config_path("anybatch") / PROJECT_FILE


def runs_folder(settings: Settings, folder: Path) -> Path:
    """Where the folders of new runs go; *folder* is where the user stands."""
    if named := settings.core("runs_dir"):
        return Path(os.path.normpath(folder / named))
    return (settings.project.parent if settings.project else folder) / ".anybatch" / "runs"


def _upwards(folder: Path) -> tuple[Path, ...]:
    return (folder, *folder.parents)


def _trusted(
    paths: Iterable[Path], trusted: Iterable[str], on_notice: Callable[[str], None]
) -> Iterator[Path]:
    """Those of the files that are there and are believed; of the others, why not."""
    for path in paths:
        with contextlib.suppress(OSError):  # it went away, or its folder cannot be entered
            if path.is_file():
                why = _distrust(path, trusted)
                if not why:
                    yield path
                else:
                    on_notice(
                        f"{path} is not read: {why}. If you trust it, add it to `{TRUST}` in "
                        f"{user_file()}, or set ANYBATCH_{TRUST.upper()}={path}"
                    )


def _distrust(path: Path, trusted: Iterable[str]) -> str:
    """Why a settings file is not believed; an empty text: it is."""
    there = path.resolve()
    named = map(os.path.expanduser, trusted)
    names = {Path(name).resolve() for name in named if os.path.isabs(name)}
    if names & {there, *path.parents, *there.parents}:
        return ""
    folders = {one: distrust(one) for one in (path.parent, there.parent)}
    in_folders = (f"its folder {one}: {why}" for one, why in folders.items() if why)
    return distrust(path) or next(in_folders, "")


def _site_layers(
    hooks: Hooks,
    declared: Mapping[str, SettingsSchema],
    site: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]],
) -> Iterator[Layer]:
    """The defaults of site plugins; one that gives wrong ones costs only itself."""
    for name, tables in site:
        try:
            yield checked_layer(declared, f"{SITE}{name}", tables)
        except SettingError as error:
            hooks.plugins.plugin_error(name, str(error))


def _check_default(plugins: Plugins, name: str, setting: Setting) -> None:
    """Name a plugin whose default is of the wrong kind before somebody's job needs it."""
    try:
        if setting.default is not None:
            check(name, setting, setting.default, DEFAULT)
    except SettingError as error:
        plugins.plugin_error(name, str(error))


def _declarations(
    hooks: Hooks,
) -> tuple[dict[str, SettingsSchema], list[tuple[str, dict[str, dict[str, Any]]]]]:
    declared = {CORE: SettingsSchema(CORE_SETTINGS), **resource_schemas()}
    site = []
    plugins = hooks.plugins
    for plugin in plugins:
        declared[plugin.name] = SettingsSchema()
    for plugin, records in hooks.settings():
        defaults: dict[str, dict[str, Any]] = {}
        for record in records:
            if isinstance(record, Setting):
                declared[plugin.name].add(record)
                _check_default(plugins, plugin.name, record)
            elif isinstance(record, SiteDefault):
                table, name = _split(record.name)
                defaults.setdefault(table, {})[name] = record.value
            else:
                plugins.plugin_error(
                    plugin.name,
                    f"anybatch_settings must return Setting or SiteDefault, not {record!r:.100}",
                )
        if defaults:
            site.append((plugin.name, defaults))
    return declared, site


def _split(name: str) -> tuple[str, str]:
    table, dot, key = name.partition(".")
    return (table, key) if dot else (CORE, name)


def _from_folder(layer: Layer, declared: Mapping[str, SettingsSchema], folder: Path) -> Layer:
    """A layer of a file with relative paths that start in the file's folder."""
    return Layer(
        layer.source,
        {
            table: {name: _from_file(declared[table][name], own[name], folder) for name in own}
            for table, own in layer.tables.items()
        },
    )


def _from_file(setting: Setting, value: Any, folder: Path) -> Any:
    """A value with relative paths that start in the folder of its file."""
    if setting.absolute is None:
        return value
    if isinstance(value, tuple):
        return tuple(setting.absolute(part, folder) for part in value)
    return setting.absolute(value, folder) if isinstance(value, str) else value


def _read_file(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise SettingError(f"{path} is nested too deeply") from error
    except ValueError as error:  # also a number of thousands of digits
        raise SettingError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    top = {name: value for name, value in content.items() if not isinstance(value, dict)}
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    return {CORE: top, **tables} if top else tables


def _environment_layer(declared: Mapping[str, SettingsSchema], environ: Mapping[str, str]) -> Layer:
    tables: dict[str, dict[str, Any]] = {}
    for variable, text in environ.items():
        prefix, _, rest = variable.partition("_")
        if prefix != "ANYBATCH" or rest in _NOT_SETTINGS:
            continue
        plugin, separator, key = rest.partition("__")
        table = plugin.lower().replace("_", "-") if separator else CORE
        table = next((name for name in declared if same_name(name, table)), table)
        name = spelt(declared.get(table, {}), key if separator else rest)
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
